//! What a configuration refers to: environment variables, secret files and certificates.
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Missing, World};
use crate::config::diagnostic::quote;
use crate::config::raw::secret::RawSecret;
use crate::config::secret::Secret;
use crate::config::yaml::at::At;
use crate::config::yaml::decode::Field;
use crate::config::yaml::faults::Faults;

/// Reads secrets and certificates, and keeps the secrets for the fingerprint.
pub struct Files<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    directory: PathBuf,
    credentials: Option<PathBuf>,
    secrets: Vec<Secret>,
    missing: Missing,
    /// Every file that was looked for, to be watched for changes.
    pub paths: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    pub fn new(world: &World<'a>) -> Self {
        Self {
            env: world.env,
            directory: world.directory.clone(),
            credentials: (world.env)("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            secrets: Vec::new(),
            missing: world.missing,
            paths: Vec::new(),
        }
    }

    /// The value of a secret.
    pub fn secret(&mut self, field: &Field<RawSecret>, faults: &mut Faults) -> Option<Secret> {
        self.read_secret(field.get()?, field.at(), faults)
    }

    /// The same as [`Files::secret`], but a secret that is in the configuration file itself gets a warning with the
    /// better ways.
    pub fn secret_kept_elsewhere(
        &mut self,
        field: &Field<RawSecret>,
        faults: &mut Faults,
    ) -> Option<Secret> {
        if let Some(RawSecret::Inline(_)) = field.get() {
            let hint = "it ends up in backups and version control".to_owned();
            let message =
                "found a secret in the file itself, expected `{ env: NAME }` or `{ file: PATH }`";
            faults.warn(field.at(), message, Some(hint));
        }
        self.secret(field, faults)
    }

    /// The same as [`Files::secret`], for a raw value.
    pub fn read_secret(&mut self, raw: &RawSecret, at: &At, faults: &mut Faults) -> Option<Secret> {
        let text = match raw {
            RawSecret::Inline(secret) => Ok(secret.expose().to_owned()),
            RawSecret::Env(name) => (self.env)(name).ok_or_else(|| {
                format!(
                    "found the environment variable {} unset, expected its value",
                    quote(name)
                )
            }),
            RawSecret::File(path) => {
                let shown = quote(path);
                self.read(Path::new(path))
                    .map_err(|err| {
                        format!(
                            "found the file {shown} unreadable ({err}), expected a secret in it"
                        )
                    })
                    .map(|text| trim_newline(&text).to_owned())
            }
        };
        let secret = match text {
            Ok(text) => Secret::new(text),
            Err(message) => {
                let hint = match raw {
                    RawSecret::File(_) => {
                        "a relative path begins at `$CREDENTIALS_DIRECTORY` or beside this file; whoever runs weir must be able to read it"
                    }
                    RawSecret::Env(_) | RawSecret::Inline(_) => {
                        "set it where weir is started: `export NAME=…`, or `Environment=` of the unit"
                    }
                };
                if self.missing == Missing::Tolerated {
                    faults.warn(at, message, Some(hint.to_owned()));
                    return Some(self.stand_in());
                }
                faults.add_with(at, message, Some(hint.to_owned()));
                return None;
            }
        };
        faults.hide(&secret);
        self.secrets.push(secret.clone());
        if secret.expose().trim().is_empty() {
            let source = match raw {
                RawSecret::Inline(_) => "found an empty text".to_owned(),
                RawSecret::Env(name) => {
                    format!("found the environment variable {} empty", quote(name))
                }
                RawSecret::File(path) => format!("found the file {} empty", quote(path)),
            };
            faults.add(at, format!("{source}, expected a secret"));
            return None;
        }
        Some(secret)
    }

    /// A placeholder for a missing secret; no two placeholders are equal.
    fn stand_in(&mut self) -> Secret {
        let secret = Secret::new(format!("{STAND_IN}{}", self.secrets.len()));
        self.secrets.push(secret.clone());
        secret
    }

    /// Whether the secret is missing and this is tolerated, so that its content cannot be checked.
    pub fn is_stand_in(&self, secret: &Secret) -> bool {
        self.missing == Missing::Tolerated && secret.expose().starts_with(STAND_IN)
    }

    /// Whether missing files are tolerated instead of being faults.
    pub fn tolerates_missing(&self) -> bool {
        self.missing == Missing::Tolerated
    }

    /// The path in the file system for a path in the configuration.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let credential = self
            .credentials
            .as_deref()
            .map(|directory| directory.join(path));
        match credential {
            // If `path` is absolute, `join` returns it unchanged.
            Some(credential) if credential.exists() => credential,
            _ => self.directory.join(path),
        }
    }

    /// The text of a file with a limited length, or why it cannot be read.
    pub fn read(&mut self, path: &Path) -> Result<String, String> {
        use std::io::Read as _;

        let mut text = String::new();
        let path = self.resolve(path);
        self.paths.push(path.clone());
        let file = std::fs::File::open(path).map_err(|err| say(&err))?;
        file.take(LONGEST_FILE + 1)
            .read_to_string(&mut text)
            .map_err(|err| say(&err))?;
        if text.len() as u64 > LONGEST_FILE {
            return Err(format!("it is longer than {LONGEST_FILE} bytes"));
        }
        Ok(text)
    }

    /// SHA-256 over the file's own hash and every secret that was read.
    pub fn fingerprint(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(hash);
        for secret in &self.secrets {
            digest.update((secret.expose().len() as u64).to_le_bytes());
            digest.update(secret.expose().as_bytes());
        }
        digest.finalize().into()
    }
}

/// Checks that `text` is PEM with one of the `labels`; the error tells what it is instead.
pub fn check_pem(text: &str, labels: &[&str]) -> Result<(), String> {
    let mut found = None;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = after.split_once("-----") else {
            break;
        };
        let Some((body, after)) = body.split_once(&format!("-----END {label}-----")) else {
            return Err(format!(
                "a PEM block without its end (`-----END {label}-----`)"
            ));
        };
        let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(&byte);
        // A key that is encrypted in the old style has headers with colons instead.
        if body.trim().is_empty() || !body.bytes().all(base64) {
            return Err(format!("a PEM block `{label}` that is not base64"));
        }
        if labels.contains(&label) {
            return Ok(());
        }
        found.get_or_insert_with(|| label.to_owned());
        rest = after;
    }
    Err(match found {
        Some(label) => format!("PEM with {}", quote(&label)),
        None => "no PEM".to_owned(),
    })
}

/// The error without its number, which adds nothing.
fn say(err: &std::io::Error) -> String {
    match err.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => err.to_string(),
    }
}

fn trim_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

const STAND_IN: &str = "a-secret-that-is-not-there-";
/// Longest file in bytes. Certificate chains stay below 64 KiB.
const LONGEST_FILE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_cut_off() {
        assert_eq!(trim_newline("a\n"), "a");
        assert_eq!(trim_newline("a\r\n"), "a");
        assert_eq!(trim_newline("a\n\n"), "a\n");
        assert_eq!(trim_newline(" a"), " a");
    }

    #[test]
    fn pem_is_recognised() {
        let block = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        let certificate = ["CERTIFICATE"];
        assert_eq!(
            check_pem(&block("CERTIFICATE", "MIIB"), &certificate),
            Ok(())
        );
        assert_eq!(
            check_pem(
                &format!(
                    "# chain\n{}",
                    block("X", "AA") + &block("CERTIFICATE", "MIIB")
                ),
                &certificate
            ),
            Ok(())
        );
        for (text, expected) in [
            ("", "no PEM"),
            ("hello", "no PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nMIIB",
                "a PEM block without its end (`-----END CERTIFICATE-----`)",
            ),
            (
                &block("CERTIFICATE", "M!"),
                "a PEM block `CERTIFICATE` that is not base64",
            ),
            (&block("PRIVATE KEY", "MIIB"), "PEM with `PRIVATE KEY`"),
        ] {
            assert_eq!(check_pem(text, &certificate), Err(expected.to_owned()));
        }
    }
}
