//! `[websocket]`: where the `$connect` of a WebSocket API has its token.

use super::table::Table;
use crate::policy::{PolicyError, TokenPlace};

pub(super) fn read(table: &Table<'_, '_>) -> Result<TokenPlace, PolicyError> {
    table.only(&["token"])?;
    let named = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
    };
    match table.optional_text("token")? {
        None | Some("header") => Ok(TokenPlace::Header),
        Some("subprotocol") => Ok(TokenPlace::Subprotocol),
        Some(text) => match text.strip_prefix("query:") {
            Some(name) if named(name) => Ok(TokenPlace::Query(name.to_owned())),
            _ => {
                let remedy = "write \"header\", \"subprotocol\", or \"query:\" and the parameter's name, such as \"query:access_token\"";
                Err(table.wrong_value("token", "not a place for a token", remedy))
            }
        },
    }
}
