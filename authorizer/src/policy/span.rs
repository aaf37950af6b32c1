//! Paths as runs of whole segments: where a template's meaning and IAM's wildcards can be compared.

use super::Segment;

/// A run of whole, non-empty segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    Text(&'a str),
    One,
    OneOrMore,
    TwoOrMore,
}

impl<'a> Span<'a> {
    /// What IAM makes of a segment: every wildcard crosses `/`.
    pub(super) fn of(segment: &'a Segment) -> Self {
        match segment {
            Segment::Literal(text) => Self::Text(text),
            Segment::Param | Segment::Greedy => Self::OneOrMore,
        }
    }

    fn text(self) -> Option<&'a str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// Whether the span may take yet another segment and stay.
    fn repeats(self) -> bool {
        matches!(self, Self::OneOrMore | Self::TwoOrMore)
    }
}

/// `?*` is at least one character: a parameter is never empty.
pub(super) fn render(spans: &[Span<'_>]) -> String {
    if spans.is_empty() {
        return "/".to_owned();
    }
    spans.iter().fold(String::new(), |mut pattern, span| {
        pattern.push('/');
        pattern.push_str(match span {
            Span::Text(text) => text,
            Span::One | Span::OneOrMore => "?*",
            Span::TwoOrMore => "*/*",
        });
        pattern
    })
}

/// Whether some list of segments fits both: a walk over the product of the two automata.
pub(super) fn intersects(a: &[Span<'_>], b: &[Span<'_>]) -> bool {
    let (a, b) = (expand(a), expand(b));
    let width = b.len() + 1;
    let mut seen = vec![false; (a.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        let Some(visited) = seen.get_mut(i * width + j) else {
            continue;
        };
        if std::mem::replace(visited, true) {
            continue;
        }
        if i == a.len() && j == b.len() {
            return true;
        }
        let (Some(left), Some(right)) = (a.get(i), b.get(j)) else {
            continue;
        };
        if matches!((left.text(), right.text()), (Some(l), Some(r)) if l != r) {
            continue;
        }
        open.push((i + 1, j + 1));
        if left.repeats() {
            open.push((i, j + 1));
        }
        if right.repeats() {
            open.push((i + 1, j));
        }
    }
    false
}

/// `TwoOrMore` as `One`, `OneOrMore`, so that every span takes at least one segment.
fn expand<'a>(spans: &[Span<'a>]) -> Vec<Span<'a>> {
    let parts = |span: &Span<'a>| match *span {
        Span::TwoOrMore => vec![Span::One, Span::OneOrMore],
        other => vec![other],
    };
    spans.iter().flat_map(parts).collect()
}
