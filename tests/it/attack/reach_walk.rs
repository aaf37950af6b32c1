//! Random walks through registrations, authorizations and refreshes: whatever came before, scope × API of every token is
//! within what consent pages showed, and within what the client has.

use super::steps::browser_of;
use crate::support::app::ISSUER;
use crate::support::fixtures::{REDIRECT, VERIFIER, authorize_url, claims_of, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::form::encode;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Client, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;
use std::collections::BTreeSet;

const APIS: [&str; 3] = [
    "https://a.example.net",
    "https://b.example.net",
    "https://c.example.net",
];
const SCOPES: [&str; 3] = ["orders:read", "invoices:read", "stock:read"];

/// One act; numbers are sets of the above.
#[derive(Clone, Debug)]
enum Step {
    /// An administrator registers the client anew.
    Register { apis: u8, scopes: u8, name: bool },
    /// It asks for a code; no API named is its default.
    Authorize { apis: u8, scopes: u8, openid: bool },
    /// It exchanges a code that it holds.
    Redeem { which: usize, apis: u8 },
    /// It refreshes with a token that it holds.
    Refresh { which: usize, apis: u8, scopes: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let set = || 0_u8..8;
    prop_oneof![
        2 => (set(), 1_u8..8, any::<bool>())
            .prop_map(|(apis, scopes, name)| Step::Register { apis, scopes, name }),
        3 => (set(), 1_u8..8, any::<bool>())
            .prop_map(|(apis, scopes, openid)| Step::Authorize { apis, scopes, openid }),
        3 => (any::<usize>(), set()).prop_map(|(which, apis)| Step::Redeem { which, apis }),
        4 => (any::<usize>(), set(), set())
            .prop_map(|(which, apis, scopes)| Step::Refresh { which, apis, scopes }),
    ]
}

fn of<'a>(all: &[&'a str], set: u8) -> Vec<&'a str> {
    let chosen = all
        .iter()
        .enumerate()
        .filter(|(at, _)| set & (1 << at) != 0);
    chosen.map(|(_, one)| *one).collect()
}

/// A client on its way, and what a person saw of it.
struct Walk<'a> {
    app: &'a TestApp,
    browser: &'a Browser,
    client: Client,
    shown: BTreeSet<(String, String)>,
    codes: Vec<String>,
    tokens: Vec<String>,
}

impl Walk<'_> {
    fn register(&mut self, apis: u8, scopes: u8, name: bool) {
        let apis = of(&APIS, apis);
        self.client.audiences = apis
            .iter()
            .map(|uri| Audience::parse(uri).unwrap())
            .collect();
        let scopes = of(&SCOPES, scopes).join(" ");
        self.client.scope = Scope::parse(&format!("openid offline_access {scopes}")).unwrap();
        self.client.name = if name { "The walker" } else { "The other" }.to_owned();
    }

    async fn authorize(&mut self, apis: u8, scopes: u8, openid: bool) {
        let mut scope = of(&SCOPES, scopes);
        if openid {
            scope.extend(["openid", "offline_access"]);
        }
        let id = self.client.client_id.as_str();
        let mut url = authorize_url(id, &scope.join(" "), &[]);
        for api in of(&APIS, apis) {
            url += &format!("&resource={}", encode(api));
        }
        let mut answer = self.browser.get_once(&url).await;
        if answer.status == 200 {
            // What the person reads.
            let reads = |words: &&&str| answer.body.contains(**words);
            for scope in SCOPES.iter().filter(reads) {
                let at = APIS.iter().filter(reads);
                self.shown
                    .extend(at.map(|api| ((*scope).to_owned(), (*api).to_owned())));
            }
            let allow = [("decision", "allow")];
            answer = self.browser.submit(&answer, "consent-form", &allow).await;
        }
        self.codes.extend(answer.parameter("code"));
    }

    async fn ask(&mut self, fields: Vec<(&str, &str)>, apis: u8) -> Result<(), TestCaseError> {
        let id = self.client.client_id.as_str();
        let mut fields: Vec<(&str, &str)> = fields;
        fields.push(("client_id", id));
        fields.extend(of(&APIS, apis).into_iter().map(|api| ("resource", api)));
        let answer = self.app.post("/token", &fields).await;
        if answer.status != 200 {
            prop_assert!(answer.status == 400, "{}", answer.body);
            return Ok(());
        }
        self.judge(&answer)?;
        let refresh_token = answer.json()["refresh_token"].as_str().map(str::to_owned);
        self.tokens.extend(refresh_token);
        Ok(())
    }

    fn judge(&self, answer: &Answer) -> Result<(), TestCaseError> {
        let claims = claims_of(answer.json()["access_token"].as_str().unwrap());
        let audiences = match &claims["aud"] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        let scope = claims["scope"].as_str().unwrap_or_default();
        for api in audiences.iter().map(|api| api.as_str().unwrap()) {
            let registered = self.client.audiences.iter().any(|a| a.as_str() == api);
            prop_assert!(registered || api == ISSUER, "{api} is not the client's");
            for token in scope.split(' ').filter(|token| SCOPES.contains(token)) {
                let pair = (token.to_owned(), api.to_owned());
                let agreed = api == ISSUER || self.shown.contains(&pair);
                prop_assert!(agreed, "nobody agreed to {token} at {api}: {claims}");
            }
        }
        Ok(())
    }

    async fn go(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Register { apis, scopes, name } => {
                self.register(apis, scopes, name);
                self.app.rewrite(&self.client).await;
            }
            Step::Authorize {
                apis,
                scopes,
                openid,
            } => self.authorize(apis, scopes, openid).await,
            Step::Redeem { which, apis } if !self.codes.is_empty() => {
                let code = self.codes.remove(which % self.codes.len());
                let fields = vec![
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("redirect_uri", REDIRECT),
                    ("code_verifier", VERIFIER),
                ];
                self.ask(fields, apis).await?;
            }
            Step::Refresh {
                which,
                apis,
                scopes,
            } if !self.tokens.is_empty() => {
                let (held, which) = (self.tokens.len(), which % self.tokens.len());
                let token = self.tokens[which].clone();
                let scope = of(&SCOPES, scopes).join(" ");
                let mut fields = vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token.as_str()),
                ];
                if !scope.is_empty() {
                    fields.push(("scope", &scope));
                }
                self.ask(fields, apis).await?;
                if self.tokens.len() > held {
                    self.tokens.remove(which);
                }
            }
            Step::Redeem { .. } | Step::Refresh { .. } => {}
        }
        Ok(())
    }
}

async fn walk(
    app: &TestApp,
    browser: &Browser,
    steps: &[Step],
    number: usize,
) -> Result<(), TestCaseError> {
    let mut walk = Walk {
        app,
        browser,
        client: Client {
            first_party: false,
            ..public_client(&format!("walker-{number}"))
        },
        shown: BTreeSet::new(),
        codes: Vec::new(),
        tokens: Vec::new(),
    };
    walk.register(1, 7, true);
    app.register(&walk.client).await;
    for step in steps {
        walk.go(step).await?;
    }
    Ok(())
}

on_both_databases! {
    async fn every_token_is_within_what_consent_pages_showed(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let number = std::cell::Cell::new(0);
        let config = Config { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&vec(step(), 4..24), |steps| {
            number.set(number.get() + 1);
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| runtime.block_on(walk(&app, &browser, &steps, number.get())))
        });
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}
