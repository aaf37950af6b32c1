//! The one parser of `application/x-www-form-urlencoded`, for bodies and queries.
//!
//! It refuses what lenient parsers repair: duplicate names, invalid UTF-8, NUL, stray `%`. And it is the one place that
//! decides what a parameter without a value is: one that wasn't sent (RFC 6749 §3.1, §3.2).

/// Most parameters one request may carry.
pub const MAX_PARAMETERS: usize = 100;

/// Decoded parameters that have a value, in the order they came.
#[derive(Clone, Default)]
pub struct Form {
    pairs: Vec<(String, String)>,
    duplicates: Vec<String>,
}

/// Why an input is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// More than [`MAX_PARAMETERS`].
    TooMany,
    /// `%` that two hexadecimal digits don't follow, or text that is no UTF-8.
    Encoding,
    /// A NUL character.
    Nul,
}

impl FormError {
    /// What to tell the caller.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooMany => "too many parameters; send at most 100",
            Self::Encoding => "a parameter is not percent-encoded UTF-8; encode it and send again",
            Self::Nul => "a parameter contains a NUL character; remove it",
        }
    }
}

impl Form {
    /// Parses a query or a body. A parameter without a value counts as omitted. Duplicate names are kept aside, see
    /// [`Form::duplicates`].
    ///
    /// # Errors
    /// [`FormError`] on anything that isn't a form.
    pub fn parse(input: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for piece in input.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            if seen.len() >= MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let mut halves = piece.splitn(2, |b| *b == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if seen.contains(&name) {
                form.duplicates.push(name.clone());
            }
            if !value.is_empty() {
                form.pairs.push((name.clone(), value));
            }
            seen.push(name);
        }
        Ok(form)
    }

    /// The first value of `name`, never empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
    /// Every value of `name`, for the parameters that may repeat (`resource`, RFC 8707).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
    /// Whether no parameter has a value.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
    /// Names that came more than once, with values or without, but for those in `repeatable`: whoever takes the first
    /// and whoever takes the last would read two requests.
    pub fn duplicates<'a>(&'a self, repeatable: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.duplicates
            .iter()
            .map(String::as_str)
            .filter(|name| !repeatable.contains(name))
    }
    /// Every name that has a value, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }
}

impl std::fmt::Debug for Form {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Decodes one name or value: `+` is a space, `%41` is `A`, once.
///
/// # Errors
/// [`FormError::Encoding`] or [`FormError::Nul`].
pub fn decode(input: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(input.len());
    let mut rest = input.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hexadecimal);
                let low = rest.next().and_then(hexadecimal);
                match (high, low) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(FormError::Encoding),
                }
            }
            plain => plain,
        });
    }
    if bytes.contains(&0) {
        return Err(FormError::Nul);
    }
    String::from_utf8(bytes).map_err(|_| FormError::Encoding)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Encodes a value so that it is safe in a query, a fragment or a form.
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 8);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            const DIGITS: [char; 16] = [
                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
            ];
            text.push('%');
            text.extend(DIGITS.get(usize::from(byte >> 4)));
            text.extend(DIGITS.get(usize::from(byte & 15)));
        }
    }
    text
}
