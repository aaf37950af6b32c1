//! Path templates, and what IAM makes of them.
//!
//! A template is a list of segments: a literal, one parameter, or (last) one or more remaining segments. In IAM `*`
//! crosses `/`, so a template's IAM pattern also matches deeper paths; [`PathTemplate::deeper`] are the patterns of
//! exactly those. Both are lists of [`Span`]s over whole segments, as long as no segment is empty.

use std::fmt;

use super::span::{Span, intersects, render};

/// One segment of a template. The order is specificity: literal before parameter before greedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `{name}`: one segment.
    Param,
    /// `{name+}` or `**`, in last place: one or more segments.
    Greedy,
}

/// A path template such as `/orders/{id}/items`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
    /// One for each segment; `None` for a literal and for `**`.
    names: Vec<Option<String>>,
}

/// Why a template was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError(&'static str);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TemplateError {}

/// The only route of a WebSocket API that an authorizer guards.
pub(crate) const CONNECT: &str = "$connect";
/// The types that the operations of GraphQL begin with, however a schema calls them.
pub(crate) const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];
/// Most segments of a template.
const MAX_SEGMENTS: usize = 32;
/// Longest template, in bytes, so that a pattern fits into a resource ARN of 512 characters.
const MAX_BYTES: usize = 256;

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let rest = text
            .strip_prefix('/')
            .ok_or(TemplateError("a path starts with `/`"))?;
        if text.len() > MAX_BYTES {
            return Err(TemplateError("a path is at most 256 bytes long"));
        }
        let mut segments: Vec<Segment> = Vec::new();
        let mut names: Vec<Option<String>> = Vec::new();
        for part in rest.split('/').filter(|_| !rest.is_empty()) {
            if segments.last() == Some(&Segment::Greedy) {
                return Err(TemplateError(
                    "`{name+}` and `**` stand at the end of a path",
                ));
            }
            let (segment, name) = segment(part)?;
            let name = name.map(str::to_owned);
            if name.is_some() && names.contains(&name) {
                return Err(TemplateError(
                    "a parameter's name is used twice in the path",
                ));
            }
            names.push(name);
            segments.push(segment);
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(TemplateError("a path has at most 32 segments"));
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
            names,
        })
    }

    /// The route key of a WebSocket API, which is no path: `$connect`.
    pub(super) fn connect() -> Self {
        Self {
            text: CONNECT.to_owned(),
            segments: vec![Segment::Literal(CONNECT.to_owned())],
            names: vec![None],
        }
    }

    /// A field of a GraphQL type, or all of them (`*`).
    pub(super) fn field(of_type: &str, field: &str) -> Self {
        let segment = match field {
            "*" => Segment::Param,
            name => Segment::Literal(name.to_owned()),
        };
        Self {
            text: format!("{of_type}.{field}"),
            segments: vec![Segment::Literal(of_type.to_owned()), segment],
            names: vec![None, None],
        }
    }

    /// The names of its parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(String::as_str)
    }

    /// Its parameters in the segments of a path that it matches; a greedy one takes the rest.
    pub(super) fn capture<'s>(
        &'s self,
        path: &'s [&'s str],
    ) -> impl Iterator<Item = (&'s str, String)> {
        let value = |at: usize| {
            let rest = path.get(at..).unwrap_or_default();
            match self.segments.get(at) {
                Some(Segment::Greedy) => rest.join("/"),
                _ => rest.first().copied().unwrap_or_default().to_owned(),
            }
        };
        self.names
            .iter()
            .enumerate()
            .filter_map(move |(at, name)| Some((name.as_deref()?, value(at))))
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments; parameter names don't matter for what it matches.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many segments a path has that it matches; `None` if that's open.
    pub(crate) fn length(&self) -> Option<usize> {
        (!self.is_greedy()).then_some(self.segments.len())
    }

    /// Whether the segments of a request path match.
    pub fn matches(&self, path: &[&str]) -> bool {
        let fits = if self.is_greedy() {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        fits && self
            .segments
            .iter()
            .zip(path)
            .all(|(segment, part)| segment.takes(part))
    }

    /// Whether it has no parameters at all.
    pub fn is_literal(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Sort key: of two templates that match the same path, the smaller is the more specific.
    pub(super) fn specificity(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Param => 1,
            Segment::Greedy => 2,
        };
        self.segments.iter().map(rank).collect()
    }

    /// A cheap test: false when the literals at the start already differ.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let pairs = self.segments.iter().zip(&other.segments);
        let mut literals =
            pairs.take_while(|(a, b)| matches!((a, b), (Segment::Literal(_), Segment::Literal(_))));
        literals.all(|(a, b)| a == b)
    }

    /// Whether some path matches both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        intersects(&self.language(), &other.language())
    }

    /// Whether every path that matches `other` matches this.
    pub(super) fn subsumes(&self, other: &Self) -> bool {
        let fits = self
            .segments
            .iter()
            .zip(&other.segments)
            .all(|(own, theirs)| match own {
                Segment::Literal(_) => own == theirs,
                Segment::Param => *theirs != Segment::Greedy,
                Segment::Greedy => true,
            });
        fits && if self.is_greedy() {
            other.segments.len() >= self.segments.len()
        } else {
            other.segments.len() == self.segments.len()
        }
    }

    /// Whether the IAM pattern, or one of the deeper patterns alone, meets a path that `other` matches.
    pub(super) fn deeper_meets(&self, other: &Self) -> bool {
        let language = other.language();
        self.deeper_spans()
            .iter()
            .any(|spans| intersects(spans, &language))
    }

    /// The IAM pattern that matches everything that the template matches (and, with parameters, deeper paths too).
    pub(super) fn pattern(&self) -> String {
        render(&self.crossing())
    }

    /// IAM patterns for the clean paths that [`Self::pattern`] matches and the template doesn't.
    pub(super) fn deeper(&self) -> Vec<String> {
        self.deeper_spans()
            .iter()
            .map(|spans| render(spans))
            .collect()
    }

    fn is_greedy(&self) -> bool {
        self.segments.last() == Some(&Segment::Greedy)
    }

    fn language(&self) -> Vec<Span<'_>> {
        let span = |segment| match segment {
            &Segment::Param => Span::One,
            segment => Span::of(segment),
        };
        self.segments.iter().map(span).collect()
    }

    fn crossing(&self) -> Vec<Span<'_>> {
        self.segments.iter().map(Span::of).collect()
    }

    fn deeper_spans(&self) -> Vec<Vec<Span<'_>>> {
        let last_literal = self
            .segments
            .iter()
            .rposition(|segment| matches!(segment, Segment::Literal(_)));
        let overreaches =
            |at: usize| !self.is_greedy() || last_literal.is_some_and(|literal| literal > at);
        let widened = |at: usize| {
            let mut spans = self.crossing();
            if let Some(span) = spans.get_mut(at) {
                *span = Span::TwoOrMore;
            }
            spans
        };
        let params = self
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| **segment == Segment::Param);
        params
            .map(|(at, _)| at)
            .filter(|at| overreaches(*at))
            .map(widened)
            .collect()
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    fn takes(&self, part: &str) -> bool {
        match self {
            Self::Literal(text) => text == part,
            Self::Param | Self::Greedy => !part.is_empty(),
        }
    }
}

fn segment(part: &str) -> Result<(Segment, Option<&str>), TemplateError> {
    if part == "**" {
        return Ok((Segment::Greedy, None));
    }
    if let Some(inner) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let (name, segment) = inner
            .strip_suffix('+')
            .map_or((inner, Segment::Param), |name| (name, Segment::Greedy));
        let named = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !name.is_empty();
        return if named {
            Ok((segment, Some(name)))
        } else {
            Err(TemplateError(
                "a parameter's name consists of letters, digits, `-`, `_` and `.`",
            ))
        };
    }
    match part {
        "" => Err(TemplateError(
            "a path has no empty segments, and no `/` at its end",
        )),
        "." | ".." => Err(TemplateError("a path has no `.` or `..` segments")),
        _ if part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~!$&'()+,=:@".contains(&b)) =>
        {
            Ok((Segment::Literal(part.to_owned()), None))
        }
        _ => Err(TemplateError(
            "a path segment is plain text without escapes, or a whole `{name}`, `{name+}` or `**`",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    #[test]
    fn templates_match_whole_segments() {
        let path = |p: &'static str| p.split('/').skip(1).collect::<Vec<_>>();
        assert!(template("/orders/{id}").matches(&path("/orders/7")));
        assert!(!template("/orders/{id}").matches(&path("/orders/7/items")));
        assert!(!template("/orders/{id}").matches(&path("/Orders/7")));
        assert!(template("/files/{p+}").matches(&path("/files/a/b/c")));
        assert!(!template("/files/**").matches(&path("/files")));
        assert!(template("/").matches(&[]));
        let files = template("/files/{owner}/{p+}");
        assert_eq!(files.names().collect::<Vec<_>>(), ["owner", "p"]);
        let captured: Vec<_> = files.capture(&["files", "ada", "b", "c"]).collect();
        assert_eq!(
            captured,
            [("owner", "ada".to_owned()), ("p", "b/c".to_owned())]
        );
        assert!(!template("/**").matches(&[]));
    }

    #[test]
    fn malformed_templates_are_refused() {
        for bad in [
            "", "orders", "/a//b", "/a/", "/{id", "/{}", "/{a+}/b", "/**/b", "/a*", "/a/*",
            "/x{id}", "/a%20b", "/..", "/a?b", "/é", "/{a}/{a}", "/{a b}", "/a;b",
        ] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
        assert!(PathTemplate::parse(&"/a".repeat(33)).is_err());
    }

    #[test]
    fn iam_patterns_and_what_they_overreach() {
        assert_eq!(template("/orders/{id}/items").pattern(), "/orders/?*/items");
        assert_eq!(
            template("/orders/{id}/items").deeper(),
            ["/orders/*/*/items"]
        );
        assert_eq!(template("/{a}/{b}").deeper(), ["/*/*/?*", "/?*/*/*"]);
        assert!(template("/files/{a}/{p+}").deeper().is_empty());
        assert_eq!(template("/a/{x}/b/{p+}").deeper(), ["/a/*/*/b/?*"]);
        assert_eq!(template("/").pattern(), "/");
    }

    #[test]
    fn overlap_and_overreach_are_told_apart() {
        assert!(template("/orders/{id}").overlaps(&template("/{x}/new")));
        assert!(!template("/orders/{id}").overlaps(&template("/orders/{id}/items")));
        assert!(template("/orders/{id}").deeper_meets(&template("/orders/{id}/items")));
        assert!(!template("/orders/{id}").deeper_meets(&template("/users/{id}/items")));
        assert!(template("/a/{x}/b/{p+}").deeper_meets(&template("/a/{x}/b/{p+}")));
        assert!(template("/a/**").subsumes(&template("/a/{x}/b")));
        assert!(!template("/a/{x}").subsumes(&template("/a/{x+}")));
    }
}
