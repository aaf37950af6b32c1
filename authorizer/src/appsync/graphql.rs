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
    // A byte order mark is white space to some readers, and an error to others.
    if document.len() > MAX_DOCUMENT || document.contains('\u{feff}') {
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
