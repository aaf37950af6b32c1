//! One TOML table, read strictly: every mistake is named with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::PolicyError;

pub(super) type Item<'t, 'i> = &'t Spanned<DeValue<'i>>;

/// One TOML table with what an error needs to point at it.
pub(super) struct Table<'t, 'i> {
    pub source: &'t str,
    pub name: &'static str,
    pub span: Range<usize>,
    pub entries: &'t DeTable<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    pub fn wrong(&self, message: &str, remedy: &str) -> PolicyError {
        PolicyError::at(self.source, self.span.clone(), message, remedy)
    }

    pub fn wrong_value(&self, key: &str, message: &str, remedy: &str) -> PolicyError {
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        PolicyError::at(self.source, span, message, remedy)
    }

    pub fn get(&self, key: &str) -> Option<Item<'t, 'i>> {
        self.entries
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, item)| item)
    }

    /// Where the character `at` of a string value stands in the file; the value's start if it's written with escapes.
    pub fn position_in(&self, key: &str, text: &str, at: usize) -> usize {
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        let raw = self.source.get(span.clone()).unwrap_or_default();
        let of_lines = raw.starts_with("\"\"\"") || raw.starts_with("'''");
        let quotes = if of_lines { 3 } else { 1 };
        let inner = raw.get(quotes..).unwrap_or_default();
        let line_end = match inner.as_bytes() {
            [b'\n', ..] if of_lines => 1,
            [b'\r', b'\n', ..] if of_lines => 2,
            _ => 0,
        };
        let as_written = inner.get(line_end..).unwrap_or_default().starts_with(text);
        match text.char_indices().nth(at) {
            Some((bytes, _)) if as_written => span.start + quotes + line_end + bytes,
            None if as_written => span.start + quotes + line_end + text.len(),
            _ => span.start,
        }
    }

    pub fn only(&self, known: &[&str]) -> Result<(), PolicyError> {
        let Some((key, _)) = self
            .entries
            .iter()
            .find(|(name, _)| !known.contains(&name.get_ref().as_ref()))
        else {
            return Ok(());
        };
        let nearest = known
            .iter()
            .min_by_key(|name| strsim::damerau_levenshtein(name, key.get_ref()));
        let message = format!("unknown key `{}` in {}", key.get_ref(), self.name);
        let remedy = format!(
            "the nearest key is `{}`; valid are {}",
            nearest.unwrap_or(&""),
            known.join(", ")
        );
        Err(PolicyError::at(self.source, key.span(), message, remedy))
    }

    pub fn table(&self, item: Item<'t, 'i>, name: &'static str) -> Result<Self, PolicyError> {
        let entries = item.get_ref().as_table().ok_or_else(|| {
            PolicyError::at(
                self.source,
                item.span(),
                format!("{name} is not a table"),
                format!("write {name} on a line of its own"),
            )
        })?;
        Ok(Self {
            source: self.source,
            name,
            span: item.span(),
            entries,
        })
    }

    pub fn tables(&self, key: &str, name: &'static str) -> Result<Vec<Self>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(Vec::new());
        };
        let Some(list) = item.get_ref().as_array() else {
            return Err(self.wrong_value(
                key,
                "not a list of tables",
                &format!("write {name} with two brackets"),
            ));
        };
        list.iter().map(|item| self.table(item, name)).collect()
    }

    pub fn text(&self, key: &str) -> Result<&'t str, PolicyError> {
        let missing = || {
            self.wrong(
                &format!("{} has no `{key}`", self.name),
                &format!("add {key} = \"...\""),
            )
        };
        self.optional_text(key)?.ok_or_else(missing)
    }

    pub fn optional_text(&self, key: &str) -> Result<Option<&'t str>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || {
            self.wrong_value(
                key,
                &format!("`{key}` is not a string"),
                "put the value into quotes",
            )
        };
        item.get_ref().as_str().map(Some).ok_or_else(wrong)
    }

    pub fn words(&self, key: &str) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let wrong = |span| {
            let remedy = format!("write {key} = [\"...\", \"...\"]");
            PolicyError::at(
                self.source,
                span,
                format!("`{key}` is not a list of strings"),
                remedy,
            )
        };
        let list = item
            .get_ref()
            .as_array()
            .ok_or_else(|| wrong(item.span()))?;
        let word = |item: &Spanned<DeValue<'_>>| {
            item.get_ref()
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| wrong(item.span()))
        };
        list.iter()
            .map(word)
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }
}
