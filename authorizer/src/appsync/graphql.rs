//! The fields that a GraphQL document begins with: just enough of the grammar (GraphQL, October 2021) for a verdict.
//!
//! Every operation of the document counts, whichever is to be executed, and `@skip` and `@include` are not believed.
//! So the result is never less than what is executed, however another reader chooses. What isn't understood is `None`.

use std::collections::{BTreeMap, BTreeSet};

/// Longest document, in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;
/// Deepest nesting of selections and values.
const MAX_DEPTH: usize = 64;
/// Most fields that a document may begin with.
const MAX_FIELDS: usize = 256;

/// A field that some operation begins with: of `Query`, `Mutation` or `Subscription`.
pub type RootField<'d> = (&'static str, &'d str);

/// All fields that any operation of the document begins with, each once.
pub fn root_fields(document: &str) -> Option<BTreeSet<RootField<'_>>> {
    if document.len() > MAX_DOCUMENT {
        return None;
    }
    let tokens = tokens(document)?;
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
    };
    let mut operations: Vec<(&'static str, Vec<Selection<'_>>)> = Vec::new();
    let mut fragments: BTreeMap<&str, Vec<Selection<'_>>> = BTreeMap::new();
    while let Some(token) = reader.peek() {
        let root = match token {
            Token::Mark('{') | Token::Name("query") => "Query",
            Token::Name("mutation") => "Mutation",
            Token::Name("subscription") => "Subscription",
            Token::Name("fragment") => {
                let (name, selections) = reader.fragment()?;
                if fragments.insert(name, selections).is_some() {
                    return None;
                }
                continue;
            }
            _ => return None,
        };
        operations.push((root, reader.operation()?));
    }
    let mut found = BTreeSet::new();
    for (root, selections) in &operations {
        collect(root, selections, &fragments, &mut found)?;
    }
    Some(found).filter(|found| !found.is_empty() && found.len() <= MAX_FIELDS)
}

/// Follows fragments; each is entered once, so that cycles end.
fn collect<'d>(
    root: &'static str,
    selections: &[Selection<'d>],
    fragments: &BTreeMap<&'d str, Vec<Selection<'d>>>,
    found: &mut BTreeSet<RootField<'d>>,
) -> Option<()> {
    let mut entered = BTreeSet::new();
    let mut open: Vec<Selection<'d>> = selections.to_vec();
    while let Some(selection) = open.pop() {
        match selection {
            Selection::Field(name) => {
                found.insert((root, name));
            }
            Selection::Spread(name) => {
                let inner = fragments.get(name)?;
                if entered.insert(name) {
                    open.extend(inner);
                }
            }
        }
    }
    Some(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'d> {
    Name(&'d str),
    Mark(char),
    Spread,
    /// A string or a number.
    Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selection<'d> {
    Field(&'d str),
    Spread(&'d str),
}

fn tokens(document: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = document;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\r' | '\n' | ',' => 1,
            '#' => rest.find(['\r', '\n']).unwrap_or(rest.len()),
            '"' => {
                tokens.push(Token::Literal);
                string(rest)?
            }
            '.' if rest.starts_with("...") => {
                tokens.push(Token::Spread);
                3
            }
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                tokens.push(Token::Mark(first));
                1
            }
            'A'..='Z' | 'a'..='z' | '_' => {
                let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
                let length = rest.find(end).unwrap_or(rest.len());
                tokens.push(Token::Name(rest.get(..length)?));
                length
            }
            '-' | '0'..='9' => {
                tokens.push(Token::Literal);
                number(rest)?
            }
            _ => return None,
        };
        rest = rest.get(length..)?;
    }
    Some(tokens)
}

/// The length of a string with its quotes; `None` if it doesn't end.
fn string(rest: &str) -> Option<usize> {
    if let Some(inner) = rest.strip_prefix("\"\"\"") {
        let mut from = 0;
        loop {
            let end = from + inner.get(from..)?.find("\"\"\"")?;
            let escaped = inner.get(..end)?.ends_with('\\');
            if !escaped {
                return Some(end + 6);
            }
            from = end + 3;
        }
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\r' | '\n' => return None,
            '"' if !escaped => return Some(at + 1),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    None
}

/// The length of a number, which nothing may touch that would make it another.
fn number(rest: &str) -> Option<usize> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c));
    let length = rest.find(end).unwrap_or(rest.len());
    let text = rest.get(..length)?;
    text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.ends_with('.') && digits.bytes().next()?.is_ascii_digit();
    plain.then_some(length)
}

struct Reader<'t, 'd> {
    tokens: &'t [Token<'d>],
    at: usize,
}

impl<'d> Reader<'_, 'd> {
    fn peek(&self) -> Option<Token<'d>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'d>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: Token<'_>) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn name(&mut self) -> Option<&'d str> {
        match self.next()? {
            Token::Name(name) => Some(name),
            _ => None,
        }
    }

    fn operation(&mut self) -> Option<Vec<Selection<'d>>> {
        if let Some(Token::Name(_)) = self.peek() {
            self.at += 1;
            if let Some(Token::Name(_)) = self.peek() {
                self.at += 1;
            }
            self.within('(', ')')?;
            self.directives()?;
        }
        self.selections(0)
    }

    /// `fragment Name on Type { … }`, of which it stands at the first word.
    fn fragment(&mut self) -> Option<(&'d str, Vec<Selection<'d>>)> {
        self.at += 1;
        let name = self.name().filter(|name| *name != "on")?;
        self.takes(Token::Name("on")).then_some(())?;
        self.name()?;
        self.directives()?;
        Some((name, self.selections(0)?))
    }

    fn directives(&mut self) -> Option<()> {
        while self.takes(Token::Mark('@')) {
            self.name()?;
            self.within('(', ')')?;
        }
        Some(())
    }

    /// What is selected at this level. Deeper levels are read for their grammar only; inline fragments are this level.
    fn selections(&mut self, depth: usize) -> Option<Vec<Selection<'d>>> {
        if depth > MAX_DEPTH || !self.takes(Token::Mark('{')) {
            return None;
        }
        let mut found = Vec::new();
        while !self.takes(Token::Mark('}')) {
            if !self.takes(Token::Spread) {
                found.push(Selection::Field(self.field(depth)?));
                continue;
            }
            match self.peek()? {
                Token::Name(name) if name != "on" => {
                    self.at += 1;
                    self.directives()?;
                    found.push(Selection::Spread(name));
                }
                _ => {
                    if self.takes(Token::Name("on")) {
                        self.name()?;
                    }
                    self.directives()?;
                    found.extend(self.selections(depth + 1)?);
                }
            }
        }
        Some(found).filter(|found| !found.is_empty())
    }

    /// The field's own name, whatever its alias.
    fn field(&mut self, depth: usize) -> Option<&'d str> {
        let mut name = self.name()?;
        if self.takes(Token::Mark(':')) {
            name = self.name()?;
        }
        self.within('(', ')')?;
        self.directives()?;
        if self.peek() == Some(Token::Mark('{')) {
            self.selections(depth + 1)?;
        }
        Some(name)
    }

    /// Passes over arguments or variables, if there are any: values in brackets that must be balanced.
    fn within(&mut self, open: char, close: char) -> Option<()> {
        if !self.takes(Token::Mark(open)) {
            return Some(());
        }
        let mut expected = vec![close];
        while let Some(innermost) = expected.last().copied() {
            match self.next()? {
                Token::Mark(mark) if mark == innermost => {
                    expected.pop();
                }
                Token::Mark('[') => expected.push(']'),
                Token::Mark('{') => expected.push('}'),
                Token::Mark('(' | ')' | ']' | '}') | Token::Spread => return None,
                _ if expected.len() > MAX_DEPTH => return None,
                // A directive of a variable has arguments of its own.
                Token::Mark('@') => {
                    self.name()?;
                    if self.takes(Token::Mark('(')) {
                        expected.push(')');
                    }
                }
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fields(document: &str) -> Option<Vec<String>> {
        let found = root_fields(document)?;
        Some(
            found
                .iter()
                .map(|(root, name)| format!("{root}.{name}"))
                .collect(),
        )
    }

    #[test]
    fn fields_are_found_whatever_they_hide_behind() {
        for (document, expected) in [
            ("{ orders { id } }", "Query.orders"),
            (
                "query Q($a: [Int!]! = [1, 2] @d(x: 1)) @live { orders(a: $a, b: {c: \"}\"}) }",
                "Query.orders",
            ),
            ("{ orders: secrets { orders } }", "Query.secrets"),
            (
                "mutation { add(x: \"\"\" } \\\"\"\" { \"\"\") { id } }",
                "Mutation.add",
            ),
            ("subscription S { changed # } {\n }", "Subscription.changed"),
            (
                "{ ...F } fragment F on Query { ...G } fragment G on Query { a ...F }",
                "Query.a",
            ),
            (
                "{ ... { a } ... on Query @include(if: false) { b } }",
                "Query.a Query.b",
            ),
            ("query A { a } mutation B { b }", "Mutation.b Query.a"),
            (
                "{ a(x: -1.5e3, y: [], z: null, e: ENUM) @skip(if: true) }",
                "Query.a",
            ),
            (
                "{ query { mutation } fragment }",
                "Query.fragment Query.query",
            ),
            ("{ __schema { types { name } } }", "Query.__schema"),
        ] {
            assert_eq!(fields(document).unwrap().join(" "), expected, "{document}");
        }
    }

    #[test]
    fn what_is_not_plain_grammar_is_nothing() {
        let deep = format!("{}a{}", "{ a ".repeat(70), "}".repeat(70));
        let large = format!("{{ a }} #{}", "x".repeat(MAX_DOCUMENT));
        for document in [
            "",
            " ",
            "#",
            "{",
            "{}",
            "{ a",
            "{ a }}",
            "{ a { } }",
            "a { b }",
            "{ a(x: 1 }",
            "{ a(x: [1) }",
            "{ ...F }",
            "{ ...on }",
            "fragment F on Query { a }",
            "{ ...F } fragment F on Q { a } fragment F on Q { b }",
            "fragment on on Query { a } { ...on }",
            "{ \"a\" }",
            "{ a(x: \"\n\") }",
            "{ a(x: \"\\\") }",
            "{ a(x: \"\"\"\") }",
            "{ a: }",
            "{ a:b:c }",
            "{ a @ }",
            "type Query { a: Int }",
            "{ a\u{a0}b }",
            "\u{feff}{ a }",
            "{ a(x: 1e999) }",
            "{ a(x: 0x1) }",
            "{ a(x: ...) }",
            "{ .. }",
            &deep,
            &large,
        ] {
            assert_eq!(fields(document), None, "{document}");
        }
    }
}
