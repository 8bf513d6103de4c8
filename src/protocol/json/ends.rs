//! The ends of the longer values of a body, recorded while it is scanned.

/// Start and end of every value of at least [`LONG`] bytes, sorted by start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ends {
    spans: Vec<(usize, usize)>,
    /// Positions in `spans` of the open values.
    open: Vec<usize>,
}

impl Ends {
    /// A value begins at `at`.
    pub(super) fn begin(&mut self, at: usize) {
        self.open.push(self.spans.len());
        self.spans.push((at, at));
    }

    /// The innermost open value ends at `at`.
    pub(super) fn end(&mut self, at: usize) {
        let Some(position) = self.open.pop() else {
            return;
        };
        let last = position + 1 == self.spans.len();
        if let Some((start, end)) = self.spans.get_mut(position) {
            *end = at;
            if last && at - *start < LONG {
                self.spans.pop();
            }
        }
    }

    /// Records a value within which no other value begins.
    pub(super) fn note(&mut self, start: usize, end: usize) {
        if end - start >= LONG {
            self.spans.push((start, end));
        }
    }

    /// The end of the value that starts at `start`, if it is a long one.
    pub(super) fn of(&self, start: usize) -> Option<usize> {
        let found = self.spans.binary_search_by_key(&start, |(start, _)| *start);
        Some(self.spans.get(found.ok()?)?.1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// The least length at which the end of a value is recorded, in bytes: a shorter value is parsed as fast as it is
/// looked up.
const LONG: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_values_are_kept_and_they_are_found_by_their_start() {
        let mut ends = Ends::default();
        ends.begin(1);
        ends.begin(2);
        ends.note(3, 30);
        ends.end(31);
        ends.note(40, 40 + LONG);
        ends.end(300);
        assert_eq!(ends.spans, [(1, 300), (40, 40 + LONG)]);
        assert_eq!(
            (ends.of(1), ends.of(2), ends.of(40)),
            (Some(300), None, Some(40 + LONG))
        );
        assert!(!ends.is_empty());
    }
}
