//! The differences between a case and its recomputed form, section by section, for people.

/// The differences, one paragraph per section; empty = there are none.
pub fn differences(expected: &[u8], actual: &[u8]) -> Vec<String> {
    if expected == actual {
        return Vec::new();
    }
    let (expected, actual) = (
        String::from_utf8_lossy(expected),
        String::from_utf8_lossy(actual),
    );
    let (before, now) = (sections(&expected), sections(&actual));
    let new = now
        .iter()
        .filter(|(name, _)| lines_of(&before, name).is_none())
        .map(|(name, _)| *name);
    let names: Vec<&str> = before.iter().map(|(name, _)| *name).chain(new).collect();
    let mut found: Vec<String> = names
        .into_iter()
        .filter_map(
            |name| match (lines_of(&before, name), lines_of(&now, name)) {
                (Some(before), Some(now)) => hunk(name, before, now),
                (Some(_), None) => Some(format!("  {name}: is not there any more")),
                (None, _) => Some(format!("  {name}: was not there before")),
            },
        )
        .collect();
    if found.is_empty() {
        // The difference is not visible in lines.
        found.push("  only line ends or the order of sections differ".to_owned());
    }
    found
}

/// The sections between the rulers; the part before the first ruler is the head.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections = vec![("head", Vec::new())];
    for line in text.split('\n') {
        match RULERS.iter().find_map(|ruler| line.strip_prefix(ruler)) {
            Some(name) => sections.push((name, Vec::new())),
            None => {
                if let Some((_, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    sections
}

fn lines_of<'a, 'b>(all: &'b [(&str, Vec<&'a str>)], name: &str) -> Option<&'b [&'a str]> {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, lines)| lines.as_slice())
}

/// The lines of a section that differ, without the equal lines at both ends.
fn hunk(name: &str, before: &[&str], now: &[&str]) -> Option<String> {
    if before == now {
        return None;
    }
    let same = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[same..], &now[same..]);
    let ends = before.iter().rev().zip(now.iter().rev());
    let tail = ends.take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[..before.len() - tail], &now[..now.len() - tail]);
    let mut text = format!("  {name}, from line {} on:", same + 1);
    for (sign, lines) in [('-', before), ('+', now)] {
        for line in lines.iter().take(MOST_LINES) {
            let end = line.floor_char_boundary(LONGEST_LINE);
            let (line, cut) = (&line[..end], if end < line.len() { " …" } else { "" });
            text.push_str(&format!("\n  {sign} {}{cut}", line.escape_debug()));
        }
        if lines.len() > MOST_LINES {
            text.push_str(&format!(
                "\n  {sign} … and {} lines more",
                lines.len() - MOST_LINES
            ));
        }
    }
    Some(text)
}

const RULERS: [&str; 2] = ["----- ", "=== "];
/// Most lines that are shown of each side.
const MOST_LINES: usize = 12;
/// Most bytes that are shown of a line.
const LONGEST_LINE: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_their_section_and_show_only_what_differs() {
        let before = "Title\n----- a\n1\n2\n3\n----- b\nx\n----- c\ny\n";
        assert!(differences(before.as_bytes(), before.as_bytes()).is_empty());
        let now = "Title\n----- a\n1\ntwo\n3\n----- b\nx\n----- d\n";
        let found = differences(before.as_bytes(), now.as_bytes());
        assert_eq!(
            found,
            [
                "  a, from line 2 on:\n  - 2\n  + two",
                "  c: is not there any more",
                "  d: was not there before",
            ]
        );
    }

    #[test]
    fn long_differences_are_cut() {
        let before = format!("T\n----- a\n{}", "x\n".repeat(50));
        let now = format!("T\n----- a\n{}", "é".repeat(1000));
        let found = differences(before.as_bytes(), now.as_bytes()).concat();
        assert!(found.contains("and 39 lines more"), "{found}");
        assert!(found.len() < 1200, "{}", found.len());
    }
}
