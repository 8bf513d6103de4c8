//! Splits the results of a batch into single items, however the bytes arrive.
use super::Form;

/// Splits passing bytes into lines, or into the objects at one depth of brackets.
#[derive(Debug, Default)]
pub(super) struct Split {
    held: Vec<u8>,
    /// Whether the current item is too long to be held, so that its rest is skipped.
    is_skipping: bool,
    /// The depth of brackets at which the objects are; 0 = the items are lines.
    depth: usize,
    /// The number of open brackets.
    open: usize,
    is_text: bool,
    is_escaped: bool,
}

impl Split {
    /// A splitter for this format.
    pub(super) fn of(form: Form) -> Self {
        Self {
            depth: match form {
                // {"response":{"inlinedResponses":{"inlinedResponses":[{…
                Form::Gemini => 5,
                Form::Anthropic | Form::OpenAi | Form::GeminiLines => 0,
            },
            ..Self::default()
        }
    }

    /// The next complete item, and the bytes after it. `None` = all bytes were consumed.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        if self.depth > 0 {
            return self.next_object(bytes);
        }
        let end = memchr::memchr(b'\n', bytes);
        let (line, after) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.hold(line);
        let after = after.get(1..)?;
        Some((self.rest(), after))
    }

    fn next_object<'a>(&mut self, bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        let mut began = (self.open >= self.depth).then_some(0);
        for (at, byte) in bytes.iter().enumerate() {
            if self.is_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.is_text = true,
                b'{' | b'[' => {
                    self.open += 1;
                    if self.open == self.depth {
                        began = Some(at);
                    }
                }
                b'}' | b']' => {
                    self.open = self.open.saturating_sub(1);
                    if self.open + 1 == self.depth
                        && let Some(began) = began
                    {
                        let (item, after) = bytes.split_at(at + 1);
                        self.hold(item.get(began..).unwrap_or_default());
                        return Some((self.rest(), after));
                    }
                }
                _ => {}
            }
        }
        if let Some(began) = began {
            self.hold(bytes.get(began..).unwrap_or_default());
        }
        None
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > LONGEST {
            self.held.clear();
            self.is_skipping = true;
        }
        if !self.is_skipping {
            self.held.extend_from_slice(bytes);
        }
    }

    /// The held bytes. An item that was too long still counts as a line, but is empty.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.is_skipping) {
            return b"{}".to_vec();
        }
        std::mem::take(&mut self.held)
    }
}

/// The most bytes of one result.
pub(super) const LONGEST: usize = 8 << 20;
