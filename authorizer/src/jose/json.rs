//! JSON as a security boundary: a member named twice is refused at any depth, and so is deep nesting.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and arrays may nest.
const MAX_DEPTH: usize = 32;

/// Parses one JSON object and nothing after it.
///
/// # Errors
/// When the bytes are not one JSON object, when a member repeats, or when the nesting passes 32 levels.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match parse(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// Parses one JSON value and nothing after it, with the same refusals.
///
/// # Errors
/// As [`parse_object`].
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict {
        depth: 0,
        odd: None,
    };
    let value = strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Parses one JSON object and nothing after it, for these members: each at most once, and read as [`parse`] does. Whatever
/// is odd about others does no harm. A byte order mark is ignored (RFC 8259 §8.1).
///
/// # Errors
/// When the bytes are not one JSON object, or one of these members repeats or would be refused.
pub fn parse_members(
    bytes: &[u8],
    names: &[&str],
) -> Result<Map<String, Value>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(without_mark(bytes));
    let members = serde::Deserializer::deserialize_map(&mut reader, Chosen(names))?;
    reader.end()?;
    Ok(members)
}

fn without_mark(document: &[u8]) -> &[u8] {
    document
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(document)
}

/// The object with these members, and any others.
struct Chosen<'n>(&'n [&'n str]);

impl<'de> Visitor<'de> for Chosen<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut chosen = Map::new();
        let strict = Strict {
            depth: 0,
            odd: None,
        };
        while let Some(name) = members.next_key::<String>()? {
            if !self.0.contains(&name.as_str()) {
                members.next_value::<IgnoredAny>()?;
            } else if chosen
                .insert(name, members.next_value_seed(strict)?)
                .is_some()
            {
                return Err(A::Error::custom("a member repeats"));
            }
        }
        Ok(chosen)
    }
}

/// Parses one JSON object and nothing after it, for the items of one list in it. An item that [`parse`] would refuse is
/// `None`, and takes no other with it. A byte order mark is ignored.
///
/// # Errors
/// When the bytes are not one JSON object with this list, once.
pub(super) fn parse_items(
    bytes: &[u8],
    list: &str,
) -> Result<Vec<Option<Value>>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(without_mark(bytes));
    let items = serde::Deserializer::deserialize_map(&mut reader, Listed(list))?;
    reader.end()?;
    Ok(items)
}

/// The object with the list of this name.
struct Listed<'n>(&'n str);

impl<'de> Visitor<'de> for Listed<'_> {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a list {:?}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != self.0 {
                members.next_value::<IgnoredAny>()?;
            } else if found.replace(members.next_value_seed(Items)?).is_some() {
                return Err(A::Error::custom("the list repeats"));
            }
        }
        found.ok_or_else(|| A::Error::custom("there is no such list"))
    }
}

struct Items;

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<Option<Value>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let odd = Cell::new(false);
            let item = Strict {
                depth: 0,
                odd: Some(&odd),
            };
            match items.next_element_seed(item)? {
                Some(item) => list.push(Some(item).filter(|_| !odd.get())),
                None => return Ok(list),
            }
        }
    }
}

/// Refuses what is odd, or only notes it.
#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    odd: Option<&'c Cell<bool>>,
}

impl Strict<'_> {
    fn found<E: serde::de::Error>(self, what: &str) -> Result<(), E> {
        match self.odd {
            Some(odd) => {
                odd.set(true);
                Ok(())
            }
            None => Err(E::custom(what)),
        }
    }

    /// For the items of the value at hand; `None` past the deepest level.
    fn deeper<E: serde::de::Error>(self) -> Result<Option<Self>, E> {
        if self.depth >= MAX_DEPTH {
            self.found("nested too deeply")?;
            return Ok(None);
        }
        Ok(Some(Self {
            depth: self.depth + 1,
            ..self
        }))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(inner) = self.deeper()? else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let Some(inner) = self.deeper()? else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                self.found("a member repeats")?;
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        assert!(parse(br#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_ok());
        assert!(parse(br#"{"a":1,"a":1}"#).is_err());
        assert!(
            parse(br#"{"x":[{"a":1,"\u0061":2}]}"#).is_err(),
            "escapes name the same member"
        );
    }

    #[test]
    fn nesting_stops_at_thirty_two() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert!(parse(nested(33).as_bytes()).is_err());
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn an_odd_item_is_left_out_alone() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let text = format!(r#"{{"a":[],"l":[{{"x":1}},{{"x":1,"x":2}},[{{"y":[1]}}],{deep},7]}}"#);
        let items = parse_items(text.as_bytes(), "l").unwrap();
        let sound: Vec<bool> = items.iter().map(Option::is_some).collect();
        assert_eq!(sound, [true, false, true, false, true]);
        for bad in [
            "{}",
            "[[1]]",
            r#"{"l":{}}"#,
            r#"{"l":[],"l":[]}"#,
            r#"{"l":[1}"#,
            r#"{"l":[]}x"#,
        ] {
            assert!(parse_items(bad.as_bytes(), "l").is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_members_that_are_asked_for_are_looked_at() {
        let text = "\u{feff}{\"a\":1,\"x\":{\"y\":1,\"y\":2},\"x\":[],\"b\":{\"c\":1}}";
        let members = parse_members(text.as_bytes(), &["a", "b", "z"]).unwrap();
        assert_eq!(
            Value::Object(members),
            serde_json::json!({"a": 1, "b": {"c": 1}})
        );
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"c":1,"c":1}}"#,
            "[1]",
            "{} {}",
            "{\"a\":",
        ] {
            assert!(parse_members(bad.as_bytes(), &["a", "b"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_one_object_and_nothing_after_it() {
        assert!(parse_object(b"{}").is_ok());
        for bad in [
            &b"[]"[..],
            b"{} {}",
            b"{}x",
            b"",
            b"\xff",
            b"{\"a\":01}",
            b"null",
        ] {
            assert!(parse_object(bad).is_err(), "{bad:?}");
        }
    }
}
