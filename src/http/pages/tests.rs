#![allow(clippy::unwrap_used, reason = "a test may panic")]

use askama::Template;

use super::link::{navigable, place, site};
use super::samples::Words;
use super::*;

const HOSTILE: &str = r#"<script>alert(1)</script>" autofocus onfocus='alert(2)' x="#;

/// The tags of a page, each from `<` to `>`; quoted values may hold neither, for they are escaped.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
}

#[test]
fn every_page_has_the_ids_and_the_bones_it_promises() {
    for (name, ids, page) in Words(None).pages() {
        for id in ids {
            assert_eq!(
                page.matches(&format!(r#" id="{id}""#)).count(),
                1,
                "{name}: #{id}"
            );
        }
        for once in [
            "<!doctype html>",
            r#"<html lang="en">"#,
            "<title>",
            "<h1>",
            "<main>",
            "</html>",
        ] {
            assert_eq!(page.matches(once).count(), 1, "{name}: {once}");
        }
        assert!(
            page.contains(STYLESHEET_PATH.as_str()),
            "{name}: stylesheet"
        );
        let titled_error = page.contains("<title>Error: ");
        assert_eq!(
            titled_error,
            page.contains("role=\"alert\"") || name == "error",
            "{name}: title"
        );
    }
}

#[test]
fn every_string_is_escaped() {
    let plain = Words(None).pages();
    for ((name, _, page), (_, _, hostile)) in plain.iter().zip(Words(Some(HOSTILE)).pages()) {
        assert!(!hostile.contains("<script>"), "{name}");
        assert!(!hostile.contains("onfocus='"), "{name}");
        let scripts = |page: &str| tags(page).filter(|tag| tag.starts_with("script")).count();
        assert_eq!(scripts(page), scripts(&hostile), "{name}");
        // The quote that would end an attribute's value never appears in it.
        assert!(
            !tags(&hostile).any(|tag| tag.contains("\" autofocus onfocus")),
            "{name}"
        );
    }
}

#[test]
fn no_page_needs_an_inline_style_a_handler_or_another_host() {
    for (name, _, page) in Words(None).pages() {
        for tag in tags(&page) {
            let mut attributes = tag.split_ascii_whitespace().skip(1);
            assert!(
                !attributes.any(|a| a.starts_with("on") || a.starts_with("style=")),
                "{name}: <{tag}>"
            );
            assert!(!tag.starts_with("style"), "{name}");
            assert_eq!(
                tag.starts_with("script"),
                tag == r#"script nonce="bm9uY2U""#,
                "{name}: <{tag}>"
            );
            let fetched = ["link", "img", "script"]
                .iter()
                .any(|element| tag.starts_with(element));
            assert!(!(fetched && tag.contains("//")), "{name}: <{tag}>");
        }
    }
}

#[test]
fn the_stylesheet_is_small_and_asks_for_nothing() {
    assert!(STYLESHEET.len() <= 10 * 1024, "{} bytes", STYLESHEET.len());
    for sheet in [STYLESHEET, ADMIN_STYLESHEET] {
        assert!(!sheet.contains("url(") && !sheet.contains("@import"));
    }
    assert!(ADMIN_STYLESHEET.len() <= 10 * 1024);
    assert_eq!(
        STYLESHEET_PATH.len(),
        "/assets/gatewright-00000000.css".len()
    );
    assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
}

#[test]
fn a_throttled_login_reads_like_a_wrong_one() {
    let page = |error| Words(None).login(Some(error), None);
    assert_eq!(
        page(LoginError::WrongCredentials),
        page(LoginError::Throttled)
    );
}

#[test]
fn only_an_address_to_navigate_to_becomes_a_link() {
    for href in [
        "https://a.example/x?y#z",
        "http://127.0.0.1:7000/cb",
        "/",
        "/demo",
        "com.example.app:/cb",
    ] {
        assert_eq!(navigable(href), Some(href));
    }
    for href in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/\\evil",
        "",
        "java.script\t:x",
        "vbscript:x",
    ] {
        assert_eq!(navigable(href), None, "{href}");
    }
    let continue_to = Some(("Shop", "javascript:alert(1)"));
    assert!(
        !LoggedOutPage { continue_to }
            .render()
            .unwrap()
            .contains("javascript")
    );
}

#[test]
fn a_site_is_named_by_its_host_alone() {
    assert_eq!(
        site("https://bank.example@evil.example:8443/x")
            .unwrap()
            .host,
        "evil.example:8443"
    );
    assert_eq!(site("javascript:alert(1)"), None);
    assert_eq!(place("com.example.app:/cb"), "the application");
}

#[test]
fn a_scope_is_read_aloud_only_when_its_form_is_plain() {
    assert_eq!(describe_scope("orders:read").title, "Read orders");
    assert_eq!(
        describe_scope("billing-invoices:write").title,
        "Change billing invoices"
    );
    assert_eq!(
        describe_scope("https://api.example.com/x:read").title,
        "Use “https://api.example.com/x:read”"
    );
    for name in ["orders:read", "urn:example:audit", "*"] {
        let line = describe_scope(name);
        assert!(line.title.contains(name) || line.detail.contains(name));
    }
}

#[test]
fn consent_tells_of_lasting_access_once() {
    let page = Words(None).consent(false);
    assert_eq!(page.matches("while you’re away").count(), 1);
}

/// Writes every page and asset under `GATEWRIGHT_PAGES_DIR`, to look at and to run accessibility checks on.
#[test]
fn pages_can_be_written_out_to_look_at() {
    let Some(dir) = std::env::var_os("GATEWRIGHT_PAGES_DIR") else {
        return;
    };
    let dir = std::path::Path::new(&dir);
    std::fs::create_dir_all(dir.join("assets")).unwrap();
    std::fs::write(
        dir.join(STYLESHEET_PATH.trim_start_matches('/')),
        STYLESHEET,
    )
    .unwrap();
    std::fs::write(
        dir.join(ADMIN_STYLESHEET_PATH.trim_start_matches('/')),
        ADMIN_STYLESHEET,
    )
    .unwrap();
    std::fs::write(dir.join(FAVICON_PATH.trim_start_matches('/')), FAVICON).unwrap();
    for (name, _, page) in Words(None).pages() {
        std::fs::write(dir.join(format!("{name}.html")), page).unwrap();
    }
}
