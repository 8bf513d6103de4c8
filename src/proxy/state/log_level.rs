//! The level of the diagnostics of the process: that of the configuration, until somebody sets another.
use parking_lot::Mutex;

/// Writes diagnostics from this level on. `false` = it is not the process's to say.
pub type SetLevel = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The level in force, and the way to change it.
pub(crate) struct LogLevel {
    set: SetLevel,
    current: Mutex<String>,
}

impl LogLevel {
    /// That of the first configuration is in force already.
    pub(crate) fn new(level: &str, set: SetLevel) -> Self {
        Self {
            set,
            current: Mutex::new(level.to_owned()),
        }
    }

    pub(crate) fn current(&self) -> String {
        self.current.lock().clone()
    }

    /// Sets another until the next configuration comes into force. The one before; `None` when nothing was changed.
    pub(crate) fn set(&self, level: &str) -> Option<String> {
        let mut current = self.current.lock();
        (self.set)(level).then(|| std::mem::replace(&mut *current, level.to_owned()))
    }
}
