//! The audit log, who changed what: the last changes in memory, and every change in the file `admin.audit`, one JSON
//! object per line.
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::access::Who;
use super::times::timestamp;

/// The last changes, newest last.
#[derive(Debug, Default)]
pub(super) struct Audit {
    last: Mutex<VecDeque<Value>>,
}

/// One change.
#[derive(Debug)]
pub(super) struct Change<'a> {
    /// `None` = the sender was not identified.
    pub who: Option<&'a Who>,
    pub address: Option<IpAddr>,
    /// A name from a fixed set, for example `account.drain`.
    pub action: &'static str,
    /// The name of what was changed.
    pub subject: &'a str,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
}

impl Audit {
    /// Writes a change down. The file is opened for each change, because changes are rare and the file may be rotated
    /// meanwhile. A file that cannot be written does not prevent the change; the log reports it.
    pub(super) fn record(&self, file: Option<&Path>, change: &Change<'_>, wall: SystemTime) {
        let entry = json!({
            "time": timestamp(wall),
            "who": change.who.map(|who| &*who.name),
            "role": change.who.map(|who| who.role.as_str()),
            "via": change.who.map(|who| who.via.as_str()),
            "address": change.address,
            "action": change.action,
            "subject": change.subject,
            "from": change.from,
            "to": change.to,
        });
        if let Some(file) = file
            && let Err(error) = append(file, &entry)
        {
            tracing::error!(file = %file.display(), %error, "the audit log cannot be written");
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= KEPT {
            last.pop_front();
        }
        last.push_back(entry);
    }

    /// The last changes, newest first.
    pub(super) fn list(&self) -> Vec<Value> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().cloned().collect()
    }
}

fn append(file: &Path, entry: &Value) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(format!("{entry}\n").as_bytes())
}

/// The most changes that are kept in memory.
const KEPT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: &str) -> Change<'_> {
        Change {
            who: None,
            address: Some([192, 0, 2, 1].into()),
            action: "account.drain",
            subject,
            from: Some("usable"),
            to: Some("drained\nno second line"),
        }
    }

    #[test]
    fn a_change_is_one_line_of_a_file_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = Audit::default();
        audit.record(Some(&path), &change("a"), SystemTime::UNIX_EPOCH);
        std::fs::rename(&path, directory.path().join("audit.1")).expect("rotated");
        audit.record(Some(&path), &change("b"), SystemTime::UNIX_EPOCH);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().count(), 1);
        let entry: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&entry["subject"], &entry["time"]),
            (&json!("b"), &json!("1970-01-01T00:00:00Z"))
        );
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_last_thousand_are_kept_also_without_a_file() {
        let audit = Audit::default();
        for number in 0..1200 {
            audit.record(None, &change(&number.to_string()), SystemTime::UNIX_EPOCH);
        }
        audit.record(
            Some(Path::new("/nowhere/audit")),
            &change("last"),
            SystemTime::UNIX_EPOCH,
        );
        let list = audit.list();
        assert_eq!(
            (list.len(), &list[0]["subject"], &list[999]["subject"]),
            (1000, &json!("last"), &json!("201"))
        );
    }
}
