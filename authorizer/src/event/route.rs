//! The path of a request inside its API: without what stands in front of it there.
//!
//! HTTP APIs tell the path as the caller wrote it, with the stage or the mapping key of a custom domain in front. How
//! much of it that is, is told by the ARN, by the route if its length is fixed, and by the policy file's `base_paths`.

use crate::policy::{PathTemplate, is_same, segments_of, under};

/// What is known of a request besides its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'k> {
    /// The stage, where it may stand in front.
    pub stage: Option<&'k str>,
    /// What else may: the policy file says it.
    pub base_paths: &'k [String],
    /// The path of the resource that the policy is evaluated on.
    pub in_arn: Option<&'k str>,
    /// The path of the route that the gateway matched, as a template.
    pub route: Option<&'k str>,
}

/// The path inside the API. `None` when what is known leaves two readings, or contradicts itself.
pub(super) fn inside<'r>(raw: &'r str, known: &Known<'_>) -> Option<&'r str> {
    let depth = |path: &str| path.matches('/').count();
    let nothing_in_front =
        known.in_arn == Some(raw) && known.route.is_some_and(|route| depth(route) == depth(raw));
    if nothing_in_front {
        return Some(raw);
    }
    let route = known
        .route
        .and_then(|route| PathTemplate::parse(route).ok());
    let routed = |path: &str| {
        let matches = |template: &PathTemplate| {
            segments_of(path).is_some_and(|path| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                template.matches(&path)
            })
        };
        route.as_ref().is_none_or(matches)
    };
    let told = |path: &&str| known.in_arn.is_some_and(|own| is_same(own, path));
    let by_arn = suffixes(raw).find(told);
    if let Some(path) = by_arn.filter(|path| *path != raw) {
        return Some(path).filter(|path| routed(path));
    }
    if route.as_ref().is_some_and(|route| route.length().is_some()) {
        // No two suffixes have the same length.
        return suffixes(raw).find(|path| routed(path));
    }
    let configured = known.base_paths.iter().filter_map(|base| under(raw, base));
    let configured = configured.min_by_key(|path| path.len());
    if let Some(path) = configured.or(by_arn) {
        return Some(path).filter(|path| routed(path));
    }
    let staged = known
        .stage
        .and_then(|stage| under(raw, &format!("/{stage}")));
    match staged {
        Some(path) if routed(path) != routed(raw) => Some(if routed(path) { path } else { raw }),
        Some(_) => None,
        None => Some(raw).filter(|path| routed(path)),
    }
}

/// The path, and what is left of it without its first segments; last `/`, which is left without any.
fn suffixes(raw: &str) -> impl Iterator<Item = &str> {
    let starts = raw.match_indices('/');
    let own = starts.filter_map(|(at, _)| raw.get(at..));
    own.chain((!raw.ends_with('/')).then_some("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<'r>(raw: &'r str, in_arn: &str, route: &str) -> Option<&'r str> {
        let base_paths = ["/v1".to_owned(), "/v1/shop".to_owned()];
        let known = Known {
            stage: Some("prod"),
            base_paths: &base_paths,
            in_arn: Some(in_arn),
            route: Some(route),
        };
        inside(raw, &known)
    }

    #[test]
    fn the_arn_and_a_route_of_fixed_length_tell_where_the_path_begins() {
        assert_eq!(path("/any/pets", "/pets", "$default"), Some("/pets"));
        assert_eq!(path("/any/pets", "/pets", "/pets"), Some("/pets"));
        assert_eq!(path("/any/pets", "?", "/pets"), Some("/pets"));
        assert_eq!(path("/a/b/pets/7", "?", "/pets/{id}"), Some("/pets/7"));
        assert_eq!(path("/pets/7", "?", "/pets/{id}"), Some("/pets/7"));
        assert_eq!(path("/any", "/", "/"), Some("/"));
        assert_eq!(
            path("/any/Chester Mall", "/Chester%20Mall", "$default"),
            Some("/Chester Mall")
        );
    }

    #[test]
    fn where_they_contradict_each_other_there_is_no_path() {
        assert_eq!(path("/any/pets", "/pets", "/dogs"), None);
        assert_eq!(path("/any/pets", "?", "/dogs"), None);
        assert_eq!(path("/pets", "/pets", "/any/{proxy+}"), None);
    }

    #[test]
    fn base_paths_of_the_policy_file_count_where_nothing_else_tells() {
        assert_eq!(path("/v1/pets", "?", "$default"), Some("/pets"));
        assert_eq!(path("/v1", "?", "$default"), Some("/"));
        assert_eq!(path("/v1/shop/pets", "?", "/{proxy+}"), Some("/pets"));
        assert_eq!(path("/v12/pets", "?", "$default"), Some("/v12/pets"));
        // An ARN that holds all of the path doesn't tell.
        assert_eq!(path("/v1/pets", "/v1/pets", "$default"), Some("/pets"));
        assert_eq!(path("/v2/pets", "/v2/pets", "$default"), Some("/v2/pets"));
    }
}
