//! Changes settings of one line each: `NAME=value` of a `.env`, and the outermost level of a YAML file.

/// The text with this setting: it replaces the existing one, or is appended.
pub fn set(env: bool, text: &str, name: &str, value: &str) -> Result<String, String> {
    let old = last(env, text, name).and_then(|position| text.lines().nth(position));
    if env && old.is_some_and(goes_on) {
        return Err(format!("`{name}` in it goes over several lines"));
    }
    Ok(put(env, text, name, &written(env, name, value)))
}

/// The line `name: value` of YAML.
pub fn yaml(name: &str, value: &str) -> String {
    written(false, name, value)
}

/// Whether a line of a `.env` begins a value that ends on a later line.
fn goes_on(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    let mut rest = value.chars();
    match rest.next() {
        Some(quote @ ('"' | '\'' | '`')) => !rest.any(|sign| sign == quote),
        _ => false,
    }
}

/// The text with the line that `before` has for the setting, or without the setting if `before` has none.
pub fn restore(env: bool, text: &str, before: &str, name: &str) -> String {
    if let Some(position) = last(env, before, name) {
        let line = before.lines().nth(position).unwrap_or_default();
        put(env, text, name, line)
    } else {
        let Some(position) = last(env, text, name) else {
            return text.to_owned();
        };
        let lines = text.split_inclusive('\n').enumerate();
        let kept: String = lines
            .filter(|(at, _)| *at != position)
            .map(|(_, line)| line)
            .collect();
        // The line end before was added together with the setting.
        match kept.strip_suffix('\n') {
            Some(shorter) if !before.is_empty() && !before.ends_with('\n') => {
                shorter.strip_suffix('\r').unwrap_or(shorter).to_owned()
            }
            _ => kept,
        }
    }
}

fn put(env: bool, text: &str, name: &str, line: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let Some(position) = last(env, text, name) else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            end
        };
        return format!("{text}{gap}{line}{end}");
    };
    let lines = text.split_inclusive('\n').enumerate();
    lines
        .map(|(at, old)| {
            if at != position {
                return old.to_owned();
            }
            let body = old.trim_end_matches(['\r', '\n']);
            let ending = old.get(body.len()..).unwrap_or_default();
            format!("{line}{ending}")
        })
        .collect()
}

/// The position of the last line with the setting, which is the one that counts.
fn last(env: bool, text: &str, name: &str) -> Option<usize> {
    let is_it = |line: &str| {
        let line = if env {
            let line = line.trim_start();
            line.strip_prefix("export ").unwrap_or(line).trim_start()
        } else {
            line
        };
        let rest = line.strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(if env { '=' } else { ':' }))
    };
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().rposition(|line| is_it(line))
}

fn written(env: bool, name: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
    let value = if value.bytes().all(plain) && !value.is_empty() {
        value.to_owned()
    } else {
        // A JSON string is valid in YAML and in dotenv.
        serde_json::Value::from(value).to_string()
    };
    if env {
        format!("{name}={value}")
    } else {
        format!("{name}: {value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_replaced_where_it_stands_or_added_at_the_end() {
        assert_eq!(set(true, "", "A", "1").expect("set"), "A=1\n");
        assert_eq!(set(true, "B=2", "A", "1").expect("set"), "B=2\nA=1\n");
        assert_eq!(
            set(true, "A=0\n# A=9\nexport A = 0\nB=2\n", "A", "1").expect("set"),
            "A=0\n# A=9\nA=1\nB=2\n"
        );
        assert_eq!(
            set(true, "AB=0\r\n", "A", "1").expect("set"),
            "AB=0\r\nA=1\r\n"
        );
        assert_eq!(
            set(false, "# a\nkey: old # x\n  key: inner\n", "key", "new").expect("set"),
            "# a\nkey: new\n  key: inner\n"
        );
        assert_eq!(
            set(false, "", "key", "a#b c").expect("set"),
            "key: \"a#b c\"\n"
        );
    }

    #[test]
    fn taking_back_leaves_no_trace() {
        for before in [
            "",
            "B=2",
            "B=2\n",
            "A=old # mine\nB=2\n",
            "export A=old\r\n",
            "A=1\nA=2",
        ] {
            let written = set(true, before, "A", "new").expect("set");
            assert!(written.contains("A=new"));
            assert_eq!(restore(true, &written, before, "A"), before, "{before:?}");
        }
        assert_eq!(restore(true, "B=2\n", "", "A"), "B=2\n");
    }
}
