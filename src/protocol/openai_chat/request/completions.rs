//! `POST /v1/completions`: one text that the model continues.
use serde_json::value::RawValue;

use crate::protocol::hub::block::{Block, Text};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::read::{Path, is_string};
use crate::protocol::hub::request::{Request, Role, Shape, Turn};

/// Decodes the prompt as a user's turn.
pub fn prompt(
    request: &mut Request,
    value: &RawValue,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let text = if is_string(value) {
        path.read(value)?
    } else {
        let mut prompts: Vec<String> = path
            .read(value)
            .map_err(|_| path.fault("token ids are not supported by this upstream; send text"))?;
        match (prompts.pop(), prompts.is_empty()) {
            (Some(prompt), true) => prompt,
            _ => return Err(path.fault("one prompt per request is supported by this upstream")),
        }
    };
    request.reply.shape = Shape::TextCompletion;
    request.turns = vec![Turn {
        role: Role::User,
        blocks: vec![Block::Text(Text::plain(text))],
        name: None,
    }];
    Ok(())
}

/// Refuses a field that a chat model does not support; neutral values request nothing and are accepted.
pub fn refuse(value: &RawValue, path: &Path<'_>) -> Result<(), RequestFault> {
    match value.get() {
        "\"\"" | "false" | "1" => Ok(()),
        _ => Err(path.fault("not supported by this upstream; leave it out")),
    }
}

/// The output limit of this endpoint if the client states none, in tokens.
pub const MAX_TOKENS: u64 = 16;
