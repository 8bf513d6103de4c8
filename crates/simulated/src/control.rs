//! What can be changed while the upstream runs: `POST /sim/control`.
use serde_json::Value;

use super::knobs::Knobs;

/// Default knobs, and per credential the knobs that differ.
#[derive(Clone, Debug, Default)]
pub struct Live {
    knobs: Knobs,
    fail: Vec<Deviation>,
}

/// One credential's bad day.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    key: String,
    knobs: Vec<(String, String)>,
}

impl Live {
    /// Sets one default knob.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.knobs.set(name, value)
    }

    /// Sets knobs for the requests of one credential (`*` for all); replaces what it had.
    pub fn fail(&mut self, key: &str, knobs: Vec<(String, String)>) -> Result<(), String> {
        let mut probe = Knobs::default();
        for (name, value) in &knobs {
            probe.set(name, value)?;
        }
        self.fail.retain(|deviation| deviation.key != key);
        if !knobs.is_empty() {
            let key = key.to_owned();
            self.fail.push(Deviation { key, knobs });
        }
        Ok(())
    }

    /// The knobs for a credential.
    pub(super) fn knobs_of(&self, key: &str) -> Knobs {
        let mut knobs = self.knobs.clone();
        for deviation in &self.fail {
            if deviation.key == key || deviation.key == "*" {
                for (name, value) in &deviation.knobs {
                    // Tried on a set of knobs when it was accepted.
                    let _ = knobs.set(name, value);
                }
            }
        }
        knobs
    }

    /// Applies a control message: `{"set": {KNOB: VALUE}, "fail": [{"key": KEY, KNOB: VALUE}]}`. `fail` replaces the
    /// whole list. Nothing changes when any part of it is wrong.
    pub(super) fn apply(&self, message: &Value) -> Result<Self, String> {
        let mut live = self.clone();
        for (member, value) in message.as_object().ok_or("expected a JSON object")? {
            match member.as_str() {
                "set" => {
                    for (name, value) in pairs(value)? {
                        live.set(&name, &value)?;
                    }
                }
                "fail" => {
                    live.fail.clear();
                    for entry in value.as_array().ok_or("`fail`: expected an array")? {
                        let mut knobs = pairs(entry)?;
                        let at = knobs.iter().position(|(name, _)| name == "key");
                        let (_, key) = knobs.remove(at.ok_or("`fail`: an entry has no `key`")?);
                        live.fail(&key, knobs)?;
                    }
                }
                "reset" => {}
                other => return Err(format!("`{other}`: expected `set`, `fail` or `reset`")),
            }
        }
        Ok(live)
    }
}

/// The members of an object as knobs and their values.
fn pairs(object: &Value) -> Result<Vec<(String, String)>, String> {
    let members = object.as_object().ok_or("expected an object of knobs")?;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    Ok(members
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect())
}
