//! The layers of ARCHITECTURE, and what no file may hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each imports from its left only.
const LAYERS: [&str; 8] = [
    "domain", "crypto", "metrics", "store", "flows", "notify", "http", "cli",
];
/// Used by http, cli and main; they use nothing but each other.
const LEAVES: [&str; 2] = ["config", "telemetry"];
/// Knows files and nothing else; for those that read or make some.
const FILES: &str = "private_files";
const LONGEST: usize = 400;

/// One source file without comments and test code.
struct Source {
    /// Below the crate's `src`: `store/codes.rs`.
    path: PathBuf,
    lines: usize,
    code: String,
}

impl Source {
    /// `domain` of `domain/scope.rs`, `telemetry` of `telemetry.rs`.
    fn layer(&self) -> String {
        let first = self
            .path
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        first.trim_end_matches(".rs").to_owned()
    }
    /// Modules between the crate's root and this file's own.
    fn depth(&self) -> usize {
        let folders = self.path.components().count() - 1;
        if self.path.file_name().unwrap() == "mod.rs" {
            folders
        } else {
            folders + 1
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// What is compiled into the product. Files that only tests include are left out.
fn sources(src: &str) -> Vec<Source> {
    let base = root().join(src);
    let mut files = Vec::new();
    rust_files(&base, &mut files);
    assert!(files.len() > 10);
    let mut for_tests = BTreeSet::new();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (code, modules) = product_code(&text);
        let folder = if file.file_name().unwrap() == "mod.rs" || file == base.join("lib.rs") {
            file.parent().unwrap().to_owned()
        } else {
            file.with_extension("")
        };
        for_tests.extend(modules.iter().map(|name| folder.join(format!("{name}.rs"))));
        let path = file.strip_prefix(&base).unwrap().to_owned();
        found.push(Source {
            path,
            lines: text.lines().count(),
            code,
        });
    }
    found.retain(|source| !for_tests.contains(&base.join(&source.path)));
    found
}

/// The code without comments and items under `#[cfg(test)]`, and the names of the modules among these.
fn product_code(text: &str) -> (String, Vec<String>) {
    let mut code = String::new();
    let mut modules = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            // To the end of the item: attributes, then either one line or a block that ends where it began.
            let indent = &line[..line.len() - line.trim_start().len()];
            for line in lines.by_ref() {
                if line.trim_start().starts_with("#[") {
                    continue;
                }
                if let Some(name) = line
                    .trim()
                    .strip_prefix("mod ")
                    .and_then(|rest| rest.strip_suffix(';'))
                {
                    modules.push(name.to_owned());
                }
                if line.ends_with(';') && !line.starts_with("    ") || line == format!("{indent}}}")
                {
                    break;
                }
            }
            continue;
        }
        let line = line.split("//").next().unwrap();
        code.push_str(line);
        code.push('\n');
    }
    (code, modules)
}

/// The first segments of all paths that begin at the crate's root.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let supers = "super::".repeat(source.depth());
    for start in ["crate::", supers.as_str()] {
        let mut rest = source.code.as_str();
        while let Some(at) = rest.find(start) {
            let before = rest[..at].chars().next_back();
            let after = &rest[at + start.len()..];
            let is_start = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
            if is_start && let Some(group) = after.strip_prefix('{') {
                let group = &group[..group.find(';').unwrap_or(group.len())];
                let names = group.split(['{', '}', ',', '\n']).map(str::trim);
                found.extend(names.map(first_segment).filter(|name| is_module(name)));
            } else if is_start {
                let name = first_segment(after);
                if is_module(&name) {
                    found.insert(name);
                }
            }
            rest = after;
        }
    }
    found
}

fn first_segment(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn is_module(name: &str) -> bool {
    LAYERS.contains(&name) || LEAVES.contains(&name) || name == FILES
}

#[test]
fn a_layer_imports_from_its_left_only() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let layer = source.layer();
        let mut allowed: Vec<&str> = match LAYERS.iter().position(|known| *known == layer) {
            Some(_) if layer == "metrics" => vec!["domain", "metrics"],
            Some(at) if at >= 6 => LAYERS[..=at].iter().chain(&LEAVES).copied().collect(),
            Some(at) => LAYERS[..=at].to_vec(),
            None if LEAVES.contains(&layer.as_str()) => LEAVES.to_vec(),
            None if layer == FILES => Vec::new(),
            None => {
                assert!(
                    matches!(layer.as_str(), "lib" | "main"),
                    "{layer} is no layer of the architecture"
                );
                continue;
            }
        };
        if ["config", "store", "http", "cli"].contains(&layer.as_str()) {
            allowed.push(FILES);
        }
        for import in imports(&source) {
            if !allowed.contains(&import.as_str()) {
                faults.push(format!("{} imports {import}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_arrow_never_points_back_from_the_authorizer() {
    for source in sources("authorizer/src") {
        let named = source.code.match_indices("gatewright::").find(|(at, _)| {
            let before = source.code[..*at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
        });
        assert!(
            named.is_none(),
            "{} names the issuer",
            source.path.display()
        );
    }
    let manifest = std::fs::read_to_string(root().join("authorizer/Cargo.toml")).unwrap();
    let names = manifest
        .lines()
        .filter(|line| line.starts_with("gatewright"));
    assert_eq!(names.count(), 0, "the authorizer depends on the issuer");
}

/// The column "never" of the table of layers, as far as names tell.
#[test]
fn a_layer_keeps_to_its_own_business() {
    let never: [(&str, &[&str]); 5] = [
        (
            "domain",
            &[
                "async ",
                "tokio",
                "sqlx",
                "axum",
                "http::",
                "hyper",
                "std::fs",
                "std::net",
                "std::time",
                "aws_lc_rs",
            ],
        ),
        (
            "crypto",
            &["sqlx", "axum", "http::", "hyper", "std::time", "std::fs"],
        ),
        (
            "metrics",
            &["sqlx", "axum", " http::", "hyper", "std::fs", "SystemTime"],
        ),
        (
            "store",
            &[
                "axum",
                "http::",
                "hyper",
                "std::time::SystemTime",
                "std::time::Instant",
            ],
        ),
        (
            "flows",
            &[
                "axum",
                " http::",
                "(http::",
                "hyper",
                "sqlx",
                "SystemTime",
                "Instant",
            ],
        ),
    ];
    let mut faults = Vec::new();
    for source in sources("src") {
        for (layer, words) in never {
            if source.layer() == layer {
                let found = words.iter().filter(|word| source.code.contains(**word));
                faults.extend(found.map(|word| format!("{} has {word:?}", source.path.display())));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut faults = Vec::new();
    for src in ["src", "authorizer/src"] {
        let long = sources(src)
            .into_iter()
            .filter(|source| source.lines > LONGEST);
        faults.extend(
            long.map(|source| format!("{src}/{}: {} lines", source.path.display(), source.lines)),
        );
    }
    assert!(faults.is_empty(), "over {LONGEST} lines: {faults:#?}");
}

#[test]
fn nothing_panics_on_purpose_and_nothing_is_left_for_later() {
    let mut faults = Vec::new();
    for src in ["src", "authorizer/src"] {
        for source in sources(src) {
            for word in [
                "todo!",
                "unimplemented!",
                "unreachable!",
                "panic!(",
                ".unwrap()",
                ".expect(",
                "dbg!",
                "unsafe ",
            ] {
                if source.code.contains(word) {
                    faults.push(format!("{src}/{} has {word}", source.path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Whoever weakens the reader of sources weakens every claim above.
#[test]
fn the_reader_sees_what_it_should() {
    let (code, modules) = product_code(
        "use crate::store::{self, codes}; // crate::http\n#[cfg(test)]\nmod samples;\nfn f() {}\n\
         #[cfg(test)]\n#[allow(x)]\nmod tests {\n    use crate::cli;\n    fn g() {\n    }\n}\nfn h() { super::super::http::x() }\n",
    );
    assert_eq!(modules, ["samples"]);
    let source = Source {
        path: "domain/x.rs".into(),
        lines: 1,
        code,
    };
    assert_eq!(
        imports(&source).into_iter().collect::<Vec<_>>(),
        ["http", "store"]
    );
    let source = Source {
        path: "flows/mod.rs".into(),
        lines: 1,
        code: "use crate::{domain::Scope, http::{a, b}};\npub(crate) fn f() { super::cli::x() }"
            .to_owned(),
    };
    assert_eq!(
        imports(&source).into_iter().collect::<Vec<_>>(),
        ["cli", "domain", "http"]
    );
}
