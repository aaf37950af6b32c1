//! Consent: who asks, for what, and where the answer goes.

use std::borrow::Cow;

use askama::Template;

use super::link::{Site, site};

/// One scope in a person's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeLine {
    /// The scope's value on the wire.
    pub name: String,
    /// What the application asks to do; completes "It asks to:".
    pub title: Cow<'static, str>,
    /// What that includes.
    pub detail: Cow<'static, str>,
}

/// The consent form: `#consent-form` posts `csrf` and `decision`, which is `allow` or `deny`.
///
/// What is consented to is the server's own record of the interaction; the form carries none of it.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/consent.html" %}"#
)]
pub struct ConsentPage<'a> {
    /// The token that proves the post came from this page.
    pub csrf: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// The application that asks, as a person knows it.
    pub client_name: &'a str,
    /// The application's website; linked only if it is `http` or `https`.
    pub client_uri: Option<&'a str>,
    /// Where the browser goes with the answer, by [`destination`](super::destination).
    pub redirect_host: &'a str,
    /// The signed-in person, as they know themselves.
    pub user_display: &'a str,
    /// What is asked for, by [`describe_scope`].
    pub scopes: Vec<ScopeLine>,
    /// The services (resource servers) the access is for.
    pub audiences: Vec<String>,
    /// Whether the access outlives the visit (`offline_access`); said in its own words, so the scope is not listed.
    pub offline: bool,
    /// Where someone else can sign in instead.
    pub switch_href: Option<&'a str>,
    /// Whether the page is shown anew because somebody else had been signed in when it was shown first.
    pub answered_by_another: bool,
}

/// Asks a person who has allowed an application on their own machine before whether it was they who began this:
/// `#continue-form` posts `csrf` and `decision`, which is `allow` or `deny`.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/continue.html" %}"#
)]
pub struct ContinuePage<'a> {
    /// The token that proves the post came from this page.
    pub csrf: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// The application that asks, as a person knows it.
    pub client_name: &'a str,
    /// Where the browser goes with the answer, by [`destination`](super::destination).
    pub leads_to: &'a str,
    /// The signed-in person, as they know themselves.
    pub user_display: &'a str,
    /// Whether the page is shown anew because somebody else had been signed in when it was shown first.
    pub answered_by_another: bool,
}

impl ConsentPage<'_> {
    fn client_site(&self) -> Option<Site<'_>> {
        self.client_uri.and_then(site)
    }

    fn listed_scopes(&self) -> impl Iterator<Item = &ScopeLine> {
        self.scopes
            .iter()
            .filter(|scope| !(self.offline && scope.name == "offline_access"))
    }
}

/// What a scope means to the person who grants it.
///
/// The `OpenID` Connect scopes (Core §5.4, §11) have words of their own. Of any other scope only the name is known,
/// so the name is always shown; `thing:verb` is read aloud.
pub fn describe_scope(name: &str) -> ScopeLine {
    let (title, detail) = match name {
        "openid" => (
            "Know that it’s you",
            "An identifier for your account, the same at each visit",
        ),
        "profile" => (
            "See your profile",
            "Your name, username, picture, language and other basics",
        ),
        "email" => ("See your email address", "And whether it has been verified"),
        "address" => (
            "See your postal address",
            "Street, town, region, postcode and country",
        ),
        "phone" => ("See your phone number", "And whether it has been verified"),
        "offline_access" => (
            "Keep access while you’re away",
            "Until it isn’t used for a while, or is revoked",
        ),
        _ => return describe_api_scope(name),
    };
    ScopeLine {
        name: name.to_owned(),
        title: title.into(),
        detail: detail.into(),
    }
}

fn describe_api_scope(name: &str) -> ScopeLine {
    let title = read_aloud(name).unwrap_or_else(|| format!("Use “{name}”"));
    let detail = if title.contains(name) {
        "A permission that its service defines".to_owned()
    } else {
        format!("Permission “{name}”, as its service defines it")
    };
    ScopeLine {
        name: name.to_owned(),
        title: title.into(),
        detail: detail.into(),
    }
}

/// `orders:read` → "Read orders"; `None` for a scope that isn't of this form.
fn read_aloud(name: &str) -> Option<String> {
    let (thing, verb) = name.split_once(':')?;
    let verb = match verb {
        "read" => "Read",
        "write" => "Change",
        "create" => "Create",
        "update" => "Update",
        "delete" => "Delete",
        "admin" | "manage" => "Manage",
        _ => return None,
    };
    let plain = thing.starts_with(|c: char| c.is_ascii_alphabetic())
        && thing
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    plain.then(|| format!("{verb} {}", thing.replace(['-', '_', '.'], " ")))
}
