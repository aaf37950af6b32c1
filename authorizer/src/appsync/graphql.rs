//! The fields that a GraphQL document begins with, read by `apollo-parser` (GraphQL, October 2021).
//!
//! Every operation of the document counts, whichever is to be executed, and `@skip` and `@include` are not believed.
//! So the result is never less than what is executed, however another reader chooses. The parser recovers from errors;
//! here the first one makes the document unreadable.

use std::collections::{BTreeMap, BTreeSet};

use apollo_parser::cst::{
    CstNode as _, Definition, Document, Name, OperationType, Selection, SelectionSet,
};
use apollo_parser::{Parser, SyntaxElement, SyntaxKind};

use crate::policy::Target;

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
    if document.len() > MAX_DOCUMENT || is_read_in_two_ways(document) {
        return None;
    }
    let tree = Parser::new(document).recursion_limit(MAX_DEPTH).parse();
    if tree.errors().len() > 0 || has_broken_string(&tree.document()) {
        return None;
    }
    let source = Source(document);
    let mut operations = Vec::new();
    let mut fragments = BTreeMap::new();
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => {
                let root = match operation.operation_type() {
                    None => "Query",
                    Some(named) => root_of(&named)?,
                };
                operations.push((root, operation.selection_set()?));
            }
            Definition::FragmentDefinition(fragment) => {
                let name = source.text(&fragment.fragment_name()?.name()?)?;
                if fragments.insert(name, fragment.selection_set()?).is_some() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    let mut found = BTreeSet::new();
    for (root, selections) in operations {
        collect(root, selections, &source, &fragments, &mut found)?;
    }
    Some(found).filter(|found| !found.is_empty() && found.len() <= MAX_FIELDS)
}

/// What a document asks for: the fields that [`root_fields`] found, or why it found none.
pub fn target<'t>(document: &str, fields: Option<&'t BTreeSet<RootField<'t>>>) -> Target<'t> {
    if let Some(fields) = fields {
        return Target::Fields(fields);
    }
    Target::Unreadable(if document.len() > MAX_DOCUMENT {
        "is over 64 KB"
    } else if is_read_in_two_ways(document) {
        "has a character that ends a line, or the document, to some readers only: a control character, U+2028, U+2029, a byte \
         order mark, or a carriage return without a line feed"
    } else {
        "is no plain GraphQL (October 2021), begins with no field or with over 256, or nests over 64 levels"
    })
}

/// Whether the document has a character that ends a line, or is white space, or ends the text, to some readers only: what
/// one takes for a comment is then a field to another. The line ends of 2015 are still those of graphql-java (U+2028,
/// U+2029); Unicode has more (U+0085, U+000B, U+000C, the separators of ASCII); a byte order mark is ignored or refused; and
/// a carriage return without a line feed ends a line by the grammar (§2.1.2), but hardly anybody sends one.
fn is_read_in_two_ways(document: &str) -> bool {
    let disputed = |c: char| {
        let plain = matches!(c, '\t' | '\n' | '\r');
        c.is_control() && !plain
            || matches!(
                c,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            )
    };
    let mut lines = document.split('\r').skip(1);
    document.contains(disputed) || lines.any(|rest| !rest.starts_with('\n'))
}

/// Whether a plain string goes on over a line's end: the parser takes it, the grammar doesn't (§2.9.4), and a reader that
/// ended the string there would read on in another place.
fn has_broken_string(document: &Document) -> bool {
    let elements = document.syntax().descendants_with_tokens();
    let mut tokens = elements.filter_map(SyntaxElement::into_token);
    tokens.any(|token| {
        let text = token.text();
        token.kind() == SyntaxKind::STRING
            && !text.starts_with("\"\"\"")
            && text.contains(['\r', '\n'])
    })
}

fn root_of(operation: &OperationType) -> Option<&'static str> {
    let is = |token: Option<_>, root| token.map(|_| root);
    is(operation.query_token(), "Query")
        .or_else(|| is(operation.mutation_token(), "Mutation"))
        .or_else(|| is(operation.subscription_token(), "Subscription"))
}

/// Follows fragments; each is entered once, so that cycles end.
fn collect<'d>(
    root: &'static str,
    selections: SelectionSet,
    source: &Source<'d>,
    fragments: &BTreeMap<&'d str, SelectionSet>,
    found: &mut BTreeSet<RootField<'d>>,
) -> Option<()> {
    let mut entered = BTreeSet::new();
    let mut open = vec![selections];
    while let Some(selections) = open.pop() {
        for selection in selections.selections() {
            match selection {
                Selection::Field(field) => {
                    found.insert((root, source.text(&field.name()?)?));
                }
                Selection::FragmentSpread(spread) => {
                    let name = source.text(&spread.fragment_name()?.name()?)?;
                    let inner = fragments.get(name)?;
                    if entered.insert(name) {
                        open.push(inner.clone());
                    }
                }
                Selection::InlineFragment(inline) => open.push(inline.selection_set()?),
            }
        }
    }
    Some(())
}

/// The text that the tree is of.
struct Source<'d>(&'d str);

impl<'d> Source<'d> {
    /// A name as it stands, whatever the tree puts around it.
    fn text(&self, name: &Name) -> Option<&'d str> {
        let range = name.ident_token()?.text_range();
        self.0.get(range.start().into()..range.end().into())
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
    fn a_character_on_which_readers_differ_makes_the_document_nothing() {
        let disputed = [
            "\u{2028}", "\u{2029}", "\u{85}", "\u{feff}", "\u{b}", "\u{c}", "\u{1c}", "\u{1e}",
            "\u{0}", "\u{1a}", "\u{1b}", "\u{7f}", "\u{9f}", "\u{fffe}", "\u{ffff}", "\r",
        ];
        for c in disputed {
            for document in [
                format!("{{ a # {c} secret\n }}"),
                format!("{{ a(x: \"{c}\") }}"),
                format!("{{ a(x: \"\"\" {c} \"\"\") }}"),
                format!("{{ a{c}b }}"),
                format!("{{ a }}{c}"),
                format!("{c}{{ a }}"),
            ] {
                assert_eq!(fields(&document), None, "{document:?}");
            }
        }
        let plain = "# \u{e9}\u{a0}\u{3000}\u{1f600}\u{200b}\r\n{\r\n\ta(x: \"\u{a0}\u{1f600}\") # b\n}\r\n";
        assert_eq!(fields(plain).unwrap().join(" "), "Query.a");
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
            "{ a(x: 00) }",
            "{ a(x: \"\\q\") }",
            "{ a(x: \"\r\") b }",
            "{ a() }",
            "query Q($a) { a }",
            "query Q($a: Int = $b) { a }",
            "extend type Query { a: Int } { a }",
            "\"d\" query { a }",
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
