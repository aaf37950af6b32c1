//! Signing out.

use askama::Template;

use super::link::navigable;

/// Asks before it signs someone out: `#logout-form` posts `csrf` and `fields`.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/logout.html" %}"#
)]
pub struct LogoutPage<'a> {
    /// The token that proves the post came from this page.
    pub csrf: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// The signed-in person, as they know themselves.
    pub user_display: &'a str,
    /// The application that asked for the sign-out, if known.
    pub client_name: Option<&'a str>,
    /// Names and values to carry through the form.
    pub fields: Vec<(&'a str, &'a str)>,
    /// Why nobody can be sent back to the application afterwards, though it asked for it.
    pub problem: Option<&'a str>,
    /// Whether the page is shown anew because another session had begun when its form came.
    pub signed_in_anew: bool,
    /// Where "Stay signed in" leads; without it the page says to close it.
    pub cancel_href: Option<&'a str>,
}

/// The session has ended.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/logged_out.html" %}"#
)]
pub struct LoggedOutPage<'a> {
    /// Name and address of where to go on; left out if the address is not one to navigate to.
    pub continue_to: Option<(&'a str, &'a str)>,
}

impl LoggedOutPage<'_> {
    fn onward(&self) -> Option<(&str, &str)> {
        self.continue_to
            .filter(|(_, href)| navigable(href).is_some())
    }
}
