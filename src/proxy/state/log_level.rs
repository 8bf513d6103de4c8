//! The level of the process's diagnostics: that of the configuration, until an operator sets another one.
use parking_lot::Mutex;

/// Sets the lowest level that is written. `false` = the process cannot change it.
pub type SetLevel = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The level in force, and the way to change it.
pub(crate) struct LogLevel {
    set: SetLevel,
    current: Mutex<String>,
}

impl LogLevel {
    /// The level of the first configuration is in force already.
    pub(crate) fn new(level: &str, set: SetLevel) -> Self {
        Self {
            set,
            current: Mutex::new(level.to_owned()),
        }
    }

    pub(crate) fn current(&self) -> String {
        self.current.lock().clone()
    }

    /// Sets another level until the next configuration comes into force. Returns the previous level; `None` = nothing
    /// was changed.
    pub(crate) fn set(&self, level: &str) -> Option<String> {
        let mut current = self.current.lock();
        (self.set)(level).then(|| std::mem::replace(&mut *current, level.to_owned()))
    }
}
