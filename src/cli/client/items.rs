//! Changes one entry of a list at the outermost level of a YAML file, line by line: `models:` of Continue.

/// The text with `entry`, which consists of lines without indentation; the first line begins the item. It replaces the
/// item with the same first line, or is inserted before all others.
pub fn set(text: &str, list: &str, entry: &[String]) -> Result<String, String> {
    let text = without(text, list, entry.first().map_or("", String::as_str));
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(head) = head_of(&lines, list) else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            end
        };
        return Ok(format!(
            "{text}{gap}{list}:{end}{}",
            written(entry, "  ", end)
        ));
    };
    let said = lines[head][list.len() + 1..]
        .split(" #")
        .next()
        .unwrap_or_default();
    if !matches!(said.trim(), "" | "[]" | "null" | "~") {
        return Err(format!("`{list}` in it is not a list of lines"));
    }
    let first = lines[head + 1..]
        .iter()
        .find(|line| line.trim_start().starts_with("- "));
    let indent = first.map_or("  ", |line| &line[..line.len() - line.trim_start().len()]);
    let (before, after) = (lines[..head].concat(), lines[head + 1..].concat());
    Ok(format!(
        "{before}{list}:{end}{}{after}",
        written(entry, indent, end)
    ))
}

/// The text without that entry, and with its list as in `before`.
pub fn restore(text: &str, before: &str, list: &str, first: &str) -> String {
    let text = without(text, list, first);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let was: Vec<&str> = before.split_inclusive('\n').collect();
    let Some(head) = head_of(&lines, list) else {
        return text;
    };
    let is_empty = lines
        .get(head + 1)
        .is_none_or(|line| !line.starts_with([' ', '-']));
    let line = match head_of(&was, list) {
        Some(line) => was[line],
        None if is_empty => "",
        None => lines[head],
    };
    let text = format!(
        "{}{line}{}",
        lines[..head].concat(),
        lines[head + 1..].concat()
    );
    // The line end before was added together with the list.
    match text.strip_suffix('\n') {
        Some(shorter) if !before.is_empty() && !before.ends_with('\n') => {
            shorter.strip_suffix('\r').unwrap_or(shorter).to_owned()
        }
        _ => text,
    }
}

fn without(text: &str, list: &str, first: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(head) = head_of(&lines, list) else {
        return text.to_owned();
    };
    let of_list = |line: &&&str| line.trim().is_empty() || line.starts_with([' ', '-', '#']);
    let end = head + 1 + lines[head + 1..].iter().take_while(of_list).count();
    let begins = |line: &&str| {
        let item = line.trim_start().strip_prefix("- ");
        item.is_some_and(|item| item.trim() == first)
    };
    let Some(at) = lines[head + 1..end].iter().position(begins) else {
        return text.to_owned();
    };
    let at = head + 1 + at;
    let depth = lines[at].len() - lines[at].trim_start().len();
    let inner = |line: &&&str| {
        let own = line.len() - line.trim_start().len();
        !line.trim().is_empty() && own > depth
    };
    let rest = at + 1 + lines[at + 1..end].iter().take_while(inner).count();
    format!("{}{}", lines[..at].concat(), lines[rest..].concat())
}

/// The position of the line that begins the list.
fn head_of(lines: &[&str], list: &str) -> Option<usize> {
    lines.iter().position(|line| {
        let rest = line.strip_prefix(list);
        rest.is_some_and(|rest| rest.starts_with(':'))
    })
}

fn written(entry: &[String], indent: &str, end: &str) -> String {
    let lines = entry.iter().enumerate();
    lines
        .map(|(at, line)| {
            let mark = if at == 0 { "- " } else { "  " };
            format!("{indent}{mark}{line}{end}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str) -> Vec<String> {
        vec!["name: Weir".to_owned(), format!("apiBase: {url}")]
    }

    #[test]
    fn an_entry_is_added_replaced_and_taken_back_to_the_byte() {
        for before in [
            "",
            "name: Mine\nversion: 1.0.0\n",
            "name: Mine",
            "models: []\n",
            "models: [] # none yet\nrules:\n  - a\n",
            "# mine\nmodels:\n  # the first\n  - name: Other\n    model: x # stays\n\nrules:\n  - a\n",
            "models:\n- name: Other\n  model: x\nname: Mine\n",
            "models:\r\n    - name: Other\r\n      model: x\r\n",
            "models:\n",
        ] {
            let one = set(before, "models", &entry("a")).expect("set");
            let two = set(&one, "models", &entry("b")).expect("set");
            assert!(
                two.contains("- name: Weir") && two.contains("apiBase: b"),
                "{two}"
            );
            assert!(!two.contains("apiBase: a"), "{two}");
            let value: serde_yaml::Value = serde_yaml::from_str(&two).expect("YAML");
            assert_eq!(value["models"][0]["name"], "Weir", "{two}");
            let others = before.contains("Other");
            assert_eq!(value["models"][1]["name"] == "Other", others, "{two}");
            assert_eq!(
                restore(&two, before, "models", "name: Weir"),
                before,
                "{before:?}"
            );
        }
    }

    #[test]
    fn what_is_no_list_of_lines_is_refused() {
        for text in ["models: [{ name: a }]\n", "models: &all\n  - name: a\n"] {
            assert!(set(text, "models", &entry("a")).is_err(), "{text}");
        }
    }
}
