//! Pages filled in, for the tests.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use askama::Template;

use super::*;

/// What is filled in: sample words to look at, or the same hostile text everywhere.
pub(super) struct Words<'a>(pub(super) Option<&'a str>);

impl<'a> Words<'a> {
    pub(super) fn say(&self, sample: &'a str) -> &'a str {
        self.0.unwrap_or(sample)
    }

    pub(super) fn own(&self, sample: &'a str) -> String {
        self.say(sample).to_owned()
    }

    fn steps(&self) -> Vec<DemoStep> {
        let step = |title, explain, command, expect| DemoStep {
            title: self.own(title),
            explain: self.own(explain),
            command: self.own(command),
            expect: self.own(expect),
        };
        vec![
            step(
                "Get a token as a machine",
                "The worker authenticates with its own secret; nobody logs in.",
                "TOKEN=$(curl -s http://127.0.0.1:8080/oauth2/token -u 'worker:Zk3mS8v1nJ0c5yQm2o9bQ4rX7tW6uE1a' \\\n    \
                 -d grant_type=client_credentials -d scope=orders:read -d resource=https://api.example.com | jq -r .access_token)",
                "nothing; the token is in $TOKEN.",
            ),
            step(
                "Call the API with it",
                "The policy asks for orders:read on this route, and the token has it.",
                "curl -i http://127.0.0.1:8080/api/orders/7 -H \"authorization: Bearer $TOKEN\"",
                "200 and the order.",
            ),
            step(
                "Try what it may not do",
                "Writing needs orders:write.",
                "curl -i -X POST http://127.0.0.1:8080/api/orders -H \"authorization: Bearer $TOKEN\"",
                "403, with the missing scope as the reason.",
            ),
        ]
    }

    fn claims(&self) -> Vec<ClaimLine> {
        [
            ("iss", "http://127.0.0.1:8080"),
            ("sub", "usr_01JZ5M3T8QF6K2W9"),
            ("aud", "https://api.example.com"),
            ("exp", "1790003600"),
            ("scope", "openid profile email offline_access orders:read"),
            ("at_hash", "x7vQm3o9bQ4rX7tW6uE1aA"),
            ("https://example.com/department", "\"engines\""),
        ]
        .into_iter()
        .map(|(name, value)| ClaimLine {
            name: self.own(name),
            value: self.own(value),
        })
        .collect()
    }

    pub(super) fn login(&self, error: Option<LoginError>, again: Option<&'a str>) -> String {
        let page = LoginPage {
            csrf: self.say("csrf-value"),
            interaction: self.say("interaction-value"),
            action: self.say("/login"),
            client_name: self.say("Harbour Orders"),
            client_uri: Some(self.say("https://orders.example.com/about")),
            login: if error.is_some() {
                self.say("ada")
            } else {
                self.0.unwrap_or_default()
            },
            error,
            reauthenticate_as: again,
            is_application: true,
            leads_to: None,
        };
        page.render().unwrap()
    }

    fn login_native(&self) -> String {
        let page = LoginPage {
            csrf: self.say("csrf-value"),
            interaction: self.say("interaction-value"),
            action: self.say("/login"),
            client_name: self.say("Harbour Orders"),
            client_uri: None,
            login: "",
            error: None,
            reauthenticate_as: None,
            is_application: true,
            leads_to: Some(self.say("127.0.0.1:51004")),
        };
        page.render().unwrap()
    }

    fn go_on(&self) -> String {
        let page = ContinuePage {
            csrf: self.say("csrf-value"),
            action: self.say("/consent/interaction-value"),
            client_name: self.say("Harbour Orders"),
            leads_to: self.say("127.0.0.1:51004"),
            user_display: self.say("Ada Lovelace"),
            answered_by_another: false,
        };
        page.render().unwrap()
    }

    pub(super) fn consent(&self, answered_by_another: bool) -> String {
        let scopes = [
            "openid",
            "profile",
            "email",
            "offline_access",
            "orders:read",
            "urn:example:audit",
        ];
        let page = ConsentPage {
            csrf: self.say("csrf-value"),
            action: self.say("/consent/interaction-value"),
            client_name: self.say("Harbour Orders"),
            client_uri: Some(self.say("https://orders.example.com/about")),
            redirect_host: self.say("orders.example.com"),
            user_display: self.say("Ada Lovelace"),
            scopes: scopes.map(|name| describe_scope(self.say(name))).into(),
            audiences: vec![self.own("https://api.example.com")],
            offline: true,
            switch_href: Some(self.say("/login?switch=interaction-value")),
            answered_by_another,
        };
        page.render().unwrap()
    }

    fn start(&self) -> String {
        let link = |label, href, explain| DemoLink {
            label: self.own(label),
            href: self.own(href),
            explain: self.own(explain),
        };
        let page = StartPage {
            issuer: self.say("http://127.0.0.1:8080"),
            login_href: self.say("/demo/login"),
            user: self.say("ada"),
            password: self.say("tidal-copper-lantern-58"),
            steps: self.steps(),
            links: vec![
                link("Keys (JWKS)", "/jwks", "What the authorizer verifies signatures with"),
                link("Discovery document", "/.well-known/openid-configuration", "What a client needs to know"),
            ],
            policy: self.say(
                "[[issuer]]\nurl = \"http://127.0.0.1:8080\"\naudiences = [\"https://api.example.com\"]\n\n\
                 [[rule]]\nid = \"orders-read\"\nmethods = [\"GET\", \"HEAD\"]\npath = \"/orders/{id}\"\nscopes = [\"orders:read\"]   \
                 # all of them; any_scope for one of several",
            ),
        };
        page.render().unwrap()
    }

    fn result(&self) -> String {
        let call = |method, path, status, verdict, reason| ApiCallLine {
            method: self.own(method),
            path: self.own(path),
            status,
            verdict: self.own(verdict),
            reason: self.own(reason),
        };
        let page = DemoResultPage {
            user_display: self.say("Ada Lovelace"),
            start_href: self.say("/"),
            id_token_claims: self.claims(),
            access_token: self.say(
                "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Ing3dlFtM285YlE0clg3dFc2dUUxYUEifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjgwODAifQ.c2lnbmF0dXJl",
            ),
            access_token_claims: self.claims(),
            calls: vec![
                call("GET", "/orders/7", 200, "Allowed", "Rule orders-read: the token has orders:read."),
                call("POST", "/orders", 403, "Denied", "Rule orders-write needs orders:write, which the token doesn’t have."),
                call("GET", "/orders/7", 401, "Denied", "No token was sent."),
            ],
            steps: self.steps(),
        };
        page.render().unwrap()
    }

    /// What belongs to applications on the person's own machine, and to several open pages.
    fn native_pages(&self) -> Vec<(&'static str, Vec<&'static str>, String)> {
        vec![
            (
                "login-native",
                vec!["login-form", "login-leads-to"],
                self.login_native(),
            ),
            (
                "continue",
                vec!["continue-form", "continue-allow", "continue-deny"],
                self.go_on(),
            ),
            (
                "consent-another",
                vec!["consent-form", "answered-by-another"],
                self.consent(true),
            ),
        ]
    }

    fn logout_pages(&self) -> Vec<(&'static str, Vec<&'static str>, String)> {
        let logout = |cancel_href, problem: Option<&str>| {
            let page = LogoutPage {
                csrf: self.say("csrf-value"),
                action: self.say("/end-session"),
                user_display: self.say("Ada Lovelace"),
                client_name: Some(self.say("Harbour Orders")),
                fields: vec![(self.say("state"), self.say("xyz"))],
                problem,
                signed_in_anew: problem.is_some(),
                cancel_href,
            };
            page.render().unwrap()
        };
        let form = ["logout-form", "logout-confirm"];
        let unregistered = "It asked to send you to an address that isn’t registered for it.";
        vec![
            (
                "logout",
                [&form[..], &["logout-cancel"]].concat(),
                logout(Some(self.say("/")), None),
            ),
            ("logout-plain", form.to_vec(), logout(None, None)),
            (
                "logout-refused",
                [&form[..], &["logout-error", "logout-anew"]].concat(),
                logout(None, Some(self.say(unregistered))),
            ),
        ]
    }

    /// Every page in its main forms: its name, the ids it promises, and its text.
    pub(super) fn pages(&self) -> Vec<(&'static str, Vec<&'static str>, String)> {
        let login = vec!["login-form", "login", "password", "login-submit"];
        let error = ErrorPage {
            title: self.say("This sign-in link doesn’t work"),
            message: self.say(
                "The application asked to be answered at an address that isn’t registered for it.",
            ),
            remedy: self.say(
                "Go back to the application and try again. If it happens again, tell its makers.",
            ),
            request_id: self.say("01JZ5M3T8QF6K2W9V4N7X0BCDE"),
            status: 400,
        };
        let form_post = FormPostPage {
            action: self.say("https://orders.example.com/cb"),
            fields: vec![
                (self.say("code"), self.say("SplxlOBeZQQYbYS6WxSbIA")),
                (self.say("state"), self.say("xyz")),
            ],
            nonce: self.say("bm9uY2U"),
        };
        let onward = ReturnPage {
            href: self.say("https://orders.example.com/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz"),
        };
        let home = HomePage {
            issuer: self.say("https://id.example.com"),
            discovery_href: self.say("/.well-known/openid-configuration"),
        };
        let signed_out = |continue_to| LoggedOutPage { continue_to }.render().unwrap();
        let mut pages = vec![
            ("login", login.clone(), self.login(None, None)),
            (
                "login-refused",
                [&login[..], &["login-error", "password-error"]].concat(),
                { self.login(Some(LoginError::WrongCredentials), None) },
            ),
            (
                "login-busy",
                login.clone(),
                self.login(Some(LoginError::Busy), None),
            ),
            (
                "login-again",
                login,
                self.login(None, Some(self.say("ada"))),
            ),
            (
                "consent",
                vec![
                    "consent-form",
                    "consent-allow",
                    "consent-deny",
                    "consent-switch",
                ],
                self.consent(false),
            ),
            ("logged-out", vec!["logged-out"], signed_out(None)),
            ("logged-out-onward", vec!["logged-out"], {
                signed_out(Some((
                    self.say("Harbour Orders"),
                    self.say("https://orders.example.com/"),
                )))
            }),
            (
                "error",
                vec!["error-page", "request-id"],
                error.render().unwrap(),
            ),
            (
                "form-post",
                vec!["form-post", "form-post-submit"],
                form_post.render().unwrap(),
            ),
            (
                "return",
                vec!["return-page", "return-link"],
                onward.render().unwrap(),
            ),
            ("home", vec!["home"], home.render().unwrap()),
            (
                "start",
                vec!["demo-start", "demo-login", "demo-user", "demo-password"],
                self.start(),
            ),
            ("result", vec!["demo-result"], self.result()),
        ];
        pages.extend(self.native_pages());
        pages.extend(self.logout_pages());
        pages.extend(self.admin_pages());
        pages
    }
}
