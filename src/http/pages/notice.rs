//! Pages that tell, and those that hand a response to an application.

use askama::Template;

use super::link::place;

/// Something went wrong and there is nowhere safe to redirect to.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/error.html" %}"#
)]
pub struct ErrorPage<'a> {
    /// What went wrong, in a few words.
    pub title: &'a str,
    /// What happened, plainly.
    pub message: &'a str,
    /// What the person can do next.
    pub remedy: &'a str,
    /// Joins this page to the log.
    pub request_id: &'a str,
    /// The HTTP status it is sent with.
    pub status: u16,
}

/// `response_mode=form_post` (OAuth 2.0 Form Post Response Mode §2): posts `fields` to the client by itself, or by a
/// button where scripts don't run. The policy of this response must allow `nonce` and posting to `action`.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/form_post.html" %}"#
)]
pub struct FormPostPage<'a> {
    /// The client's verified redirect URI.
    pub action: &'a str,
    /// The parameters of the authorization response.
    pub fields: Vec<(&'a str, &'a str)>,
    /// The nonce that the response's `script-src` names.
    pub nonce: &'a str,
}

impl FormPostPage<'_> {
    fn destination(&self) -> String {
        place(self.action)
    }
}

/// Leads on to an application by itself, without a script; or by a link where browsers don't refresh.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/return.html" %}"#
)]
pub struct ReturnPage<'a> {
    /// The client's verified redirect URI, with the response.
    pub href: &'a str,
}

impl ReturnPage<'_> {
    fn destination(&self) -> String {
        place(self.href)
    }
}

/// The issuer's `/`: what this server is, for those who came by chance.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/home.html" %}"#
)]
pub struct HomePage<'a> {
    /// The issuer identifier.
    pub issuer: &'a str,
    /// Where its metadata is.
    pub discovery_href: &'a str,
}

impl HomePage<'_> {
    fn host(&self) -> String {
        place(self.issuer)
    }
}
