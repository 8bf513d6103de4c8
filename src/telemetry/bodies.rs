//! The bodies of the last requests, for debugging: they are kept only while `log.bodies` is on, masked as in the log,
//! in bounded memory.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bodies by the id of the request.
#[derive(Debug, Default)]
pub struct Bodies {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Arc<str>, Kept>,
    /// The oldest id is first.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

/// The beginnings of the bodies of one request and its answer, as text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    pub asked: Option<String>,
    pub answered: Option<String>,
}

impl Bodies {
    /// Adds the body of a request.
    pub fn asked(&self, id: &str, body: String) {
        self.put(id, |kept| &mut kept.asked, body);
    }

    /// Adds the body of an answer.
    pub fn answered(&self, id: &str, body: String) {
        self.put(id, |kept| &mut kept.answered, body);
    }

    /// The bodies of this request, if they are kept.
    pub fn find(&self, id: &str) -> Option<Kept> {
        self.lock().kept.get(id).cloned()
    }

    /// Forgets all bodies, because they shall not be kept any more.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn put(&self, id: &str, part: fn(&mut Kept) -> &mut Option<String>, body: String) {
        if body.len() > MOST_BYTES / 4 {
            return;
        }
        let mut inner = self.lock();
        let inner = &mut *inner;
        let id: Arc<str> = id.into();
        let kept = inner.kept.entry(Arc::clone(&id)).or_insert_with(|| {
            inner.order.push_back(id);
            Kept::default()
        });
        inner.bytes += body.len();
        let before = part(kept).replace(body);
        inner.bytes -= before.map_or(0, |before| before.len());
        while inner.bytes > MOST_BYTES || inner.order.len() > MOST {
            let Some(oldest) = inner.order.pop_front() else {
                break;
            };
            let gone = inner.kept.remove(&oldest).unwrap_or_default();
            let parts = [gone.asked, gone.answered].into_iter().flatten();
            inner.bytes -= parts.map(|part| part.len()).sum::<usize>();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most bytes of all bodies: about a hundred of the longest bodies that are logged.
const MOST_BYTES: usize = 8 << 20;
/// Most requests.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bodies_of_a_request_are_found_until_there_are_too_many() {
        let bodies = Bodies::default();
        bodies.asked("a", "question".to_owned());
        bodies.answered("a", "answer".to_owned());
        let kept = bodies.find("a").expect("kept");
        assert_eq!(kept.asked.as_deref(), Some("question"));
        assert_eq!(kept.answered.as_deref(), Some("answer"));
        assert!(bodies.find("b").is_none());
        for number in 0..MOST {
            bodies.asked(&number.to_string(), "x".repeat(64 << 10));
        }
        assert!(bodies.find("a").is_none() && bodies.find("0").is_none());
        assert!(bodies.find(&(MOST - 1).to_string()).is_some());
        assert!(bodies.lock().bytes <= MOST_BYTES);
        // A body with the same id replaces the earlier one.
        let before = bodies.lock().bytes;
        bodies.asked(&(MOST - 1).to_string(), "y".to_owned());
        assert!(bodies.lock().bytes < before);
        bodies.clear();
        assert!(bodies.lock().kept.is_empty());
        assert_eq!(bodies.lock().bytes, 0);
    }
}
