//! Reads CSV files of vendors' consoles: the first line names the columns.
use serde_json::{Map, Value};

/// Every line as an object, with the column names in lower case.
pub(super) fn read(text: &str) -> Result<(Vec<String>, Vec<Value>), String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut records = records(text)?.into_iter();
    let head: Vec<String> = records
        .next()
        .unwrap_or_default()
        .iter()
        .map(|cell| cell.trim().to_ascii_lowercase())
        .collect();
    let object = |record: Vec<String>| {
        let cells = record.into_iter().map(|cell| cell.trim().to_owned().into());
        Value::Object(head.iter().cloned().zip(cells).collect::<Map<_, _>>())
    };
    let lines = records.map(object).collect();
    Ok((head, lines))
}

/// Splits the text by RFC 4180, including line ends within quotes.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            char => cell.push(char),
        }
    }
    if quoted {
        return Err("found a quote that is not closed, expected CSV".to_owned());
    }
    record.push(cell);
    records.push(record);
    records.retain(|record| record.iter().any(|cell| !cell.trim().is_empty()));
    Ok(records)
}
