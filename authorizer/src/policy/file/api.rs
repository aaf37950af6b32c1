//! `[api]`: what stands in front of every path.

use super::table::Table;
use crate::policy::PolicyError;

/// Most base paths.
const MAX_BASE_PATHS: usize = 32;

pub(super) fn read(table: &Table<'_, '_>) -> Result<Vec<String>, PolicyError> {
    table.only(&["base_paths"])?;
    let base_paths = table.words("base_paths")?.unwrap_or_default();
    if base_paths.len() > MAX_BASE_PATHS {
        let message = format!("over {MAX_BASE_PATHS} base paths");
        return Err(table.wrong_value("base_paths", &message, "write a policy file for each API"));
    }
    if let Some(wrong) = base_paths.iter().find(|base| !is_base_path(base)) {
        let remedy = "write it as it stands in front of the path, such as \"/v1\" or \"/shop/v1\", without a `/` at the end";
        return Err(table.wrong_value("base_paths", &format!("{wrong:?} is no base path"), remedy));
    }
    Ok(base_paths)
}

/// Segments of the characters that mapping keys may have, which are the same in every spelling of them.
fn is_base_path(text: &str) -> bool {
    let is_segment = |segment: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$+!'()".contains(&b);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
    };
    text.len() <= 300
        && text
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(is_segment))
}
