//! Signing in.

use askama::Template;

use super::link::{Site, site};

/// Why the person sees the form again.
///
/// An unknown user, a wrong password and a disabled account are one case, and its words are those of the throttled
/// one: nobody learns from the page which it was, or that an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// The pair of username and password did not sign anyone in.
    WrongCredentials,
    /// Too many attempts; the password was not looked at.
    Throttled,
    /// The form was too old to be accepted.
    Expired,
    /// The server had no room to check a password now.
    Busy,
}

impl LoginError {
    /// What happened.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::WrongCredentials | Self::Throttled => "That didn’t work.",
            Self::Expired => "This page was open for too long.",
            Self::Busy => "We’re very busy right now.",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::WrongCredentials | Self::Throttled => {
                "Check your username and password, or wait a few minutes and try again."
            }
            Self::Expired => "Nothing was lost: please sign in again.",
            Self::Busy => "Your password was not checked. Wait a few seconds and try again.",
        }
    }
}

/// The sign-in form: `#login-form` posts `csrf`, `interaction`, `login` and `password`.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/login.html" %}"#
)]
pub struct LoginPage<'a> {
    /// The token that proves the post came from this page.
    pub csrf: &'a str,
    /// Which interaction this belongs to, if `action` doesn't say it; empty leaves the field out.
    pub interaction: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// The application that asked, as a person knows it.
    pub client_name: &'a str,
    /// The application's website; linked only if it is `http` or `https`.
    pub client_uri: Option<&'a str>,
    /// What the username field starts with: what was typed before, or `login_hint`.
    pub login: &'a str,
    /// Why the form is shown again.
    pub error: Option<LoginError>,
    /// The login of a signed-in person who must prove it anew (`prompt=login`, `max_age`): shown, not editable.
    pub reauthenticate_as: Option<&'a str>,
    /// Whether it's an application that asked, and not one of our own pages.
    pub is_application: bool,
    /// Where the browser goes afterwards, if that is a program on the person's own machine: then signing in is what lets it.
    pub leads_to: Option<&'a str>,
}

impl LoginPage<'_> {
    fn client_site(&self) -> Option<Site<'_>> {
        self.client_uri.and_then(site)
    }

    /// Whether the fields themselves are to be corrected.
    fn refused(&self) -> bool {
        matches!(
            self.error,
            Some(LoginError::WrongCredentials | LoginError::Throttled)
        )
    }
}
