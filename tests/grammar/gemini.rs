//! The rules of Gemini streams: those of Google's SDKs, and the sum of the usage.
use serde_json::Value;

pub fn check(stream: &str) -> Result<(), String> {
    if stream.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return Err("a character at which the SDK cuts lines".to_owned());
    }
    let chunks = if stream.starts_with('[') {
        serde_json::from_str::<Vec<Value>>(stream)
            .map_err(|error| format!("{error} in {stream}"))?
    } else {
        events(stream)?
    };
    let Some((last, before)) = chunks.split_last() else {
        return Err("nothing".to_owned());
    };
    for chunk in before {
        content(chunk)?;
        if !chunk["candidates"][0]["finishReason"].is_null() || !chunk["usageMetadata"].is_null() {
            return Err(format!("an end before the end: {chunk}"));
        }
    }
    if last["error"].is_object() {
        let error = &last["error"];
        let fine =
            error["code"].is_u64() && error["message"].is_string() && error["status"].is_string();
        return if fine {
            Ok(())
        } else {
            Err(format!("the error is {error}"))
        };
    }
    content(last)?;
    if !last["candidates"][0]["finishReason"].is_string() {
        return Err("the last chunk does not say why it is the last".to_owned());
    }
    usage(&last["usageMetadata"])
}

fn events(stream: &str) -> Result<Vec<Value>, String> {
    let lines = stream.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let data = line
                .strip_prefix("data: ")
                .ok_or_else(|| format!("unexpected line {line:?}"))?;
            serde_json::from_str(data).map_err(|error| format!("{error} in {data}"))
        })
        .collect()
}

/// Clients forget the whole turn for one chunk without parts.
fn content(chunk: &Value) -> Result<(), String> {
    let content = &chunk["candidates"][0]["content"];
    let parts = content["parts"]
        .as_array()
        .ok_or_else(|| format!("no parts in {chunk}"))?;
    if parts.is_empty() || content["role"] != "model" || !chunk["responseId"].is_string() {
        return Err(format!("an empty chunk: {chunk}"));
    }
    for part in parts {
        let call = &part["functionCall"];
        let fine = part["text"].is_string()
            || (call["name"].is_string() && call["args"].is_object() && call["id"].is_string());
        if !fine {
            return Err(format!("a part without content: {part}"));
        }
    }
    Ok(())
}

fn usage(usage: &Value) -> Result<(), String> {
    let number = |name: &str| usage[name].as_u64().unwrap_or(0);
    let total =
        number("promptTokenCount") + number("candidatesTokenCount") + number("thoughtsTokenCount");
    if total == number("totalTokenCount")
        && total > 0
        && number("cachedContentTokenCount") <= number("promptTokenCount")
    {
        Ok(())
    } else {
        Err(format!("usage does not add up: {usage}"))
    }
}
