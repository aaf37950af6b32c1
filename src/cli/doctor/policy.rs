//! The policy file against this issuer and its clients, and the record of events.

use super::super::out;
use super::findings::Findings;
use crate::config::Config;
use crate::domain::Client;
use crate::domain::scope::OPENID_SCOPES;
use crate::flows::scopes::ScopeDirectory;
use crate::store::events::verify;
use crate::store::{Store, clients};
use gatewright_authorizer::Policy;

/// Clients read at once.
const PAGE: i64 = 200;

/// The policy file, if there is one: whether it can be used, and whether it takes tokens of this issuer.
pub(super) fn file(config: &Config, findings: &mut Findings) -> Option<Policy> {
    const CHECK: &str = "policy file";
    let path = config.policy.file.as_ref()?;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            findings.fail(
                CHECK,
                format!("{} can't be read ({error})", path.display()),
                "correct policy.file, or the file's permissions",
            );
            return None;
        }
    };
    let policy = match Policy::parse(&text) {
        Ok(policy) => policy,
        Err(error) => {
            findings.fail(
                CHECK,
                format!("{}: {error}", path.display()),
                "correct it; 'gatewright policy check' says more",
            );
            return None;
        }
    };
    let urls: Vec<&str> = policy
        .issuers()
        .iter()
        .map(|issuer| issuer.url.as_str())
        .collect();
    if urls.contains(&config.issuer.as_str()) {
        findings.ok(
            CHECK,
            format!("{} takes tokens of {}", path.display(), config.issuer),
        );
        return Some(policy);
    }
    let bare = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    let alike = urls.iter().find(|url| bare(url) == bare(&config.issuer));
    findings.fail(
        CHECK,
        match alike {
            Some(alike) => format!(
                "{} takes tokens of {alike:?}, which is not byte for byte {:?}",
                path.display(),
                config.issuer
            ),
            None => format!(
                "{} takes tokens of {}, and not of {}",
                path.display(),
                urls.join(", "),
                config.issuer
            ),
        },
        "write the issuer's URL there exactly as the tokens have it, slash and capital letters included",
    );
    Some(policy)
}

/// Clients whose scopes mean nothing to the audiences that they get tokens for.
pub(super) async fn scopes(policy: Policy, store: &Store, findings: &mut Findings) {
    const CHECK: &str = "clients";
    let directory = ScopeDirectory::from_policies(&[policy]);
    let mut all_well = true;
    let mut after = String::new();
    loop {
        let page = match clients::page(store, &after, PAGE).await {
            Ok(page) => page,
            Err(error) => return findings.fail(CHECK, error.to_string(), "check the database"),
        };
        let Some(last) = page.last() else {
            break;
        };
        last.client_id.as_str().clone_into(&mut after);
        for client in page.iter().filter(|client| !client.disabled) {
            all_well &= of_client(client, &directory, findings);
        }
    }
    if all_well {
        findings.ok(
            CHECK,
            "their scopes are the policy file's, and for their audiences",
        );
    }
}

fn of_client(client: &Client, directory: &ScopeDirectory, findings: &mut Findings) -> bool {
    const CHECK: &str = "clients";
    let id = client.client_id.as_str();
    let known: Vec<&str> = directory.names().collect();
    let unknown: Vec<&str> = client
        .scope
        .iter()
        .filter(|scope| !OPENID_SCOPES.contains(scope) && !known.contains(scope))
        .collect();
    let useful = directory.narrow(&client.scope, &client.audiences);
    let elsewhere: Vec<&str> = client
        .scope
        .iter()
        .filter(|scope| !useful.contains(scope))
        .collect();
    if !unknown.is_empty() {
        findings.warn(
            CHECK,
            format!(
                "client {id} may ask for {}, which no rule of the policy file names",
                unknown.join(" and ")
            ),
            "correct the name in the rule or in the client: a rule and a token must spell it alike",
        );
    }
    if !elsewhere.is_empty() && !client.audiences.is_empty() {
        findings.warn(
            CHECK,
            format!("client {id} may ask for {}, which none of its audiences knows", elsewhere.join(" and ")),
            format!("give it the API's audience: 'gatewright client update {id} --audience URI' (replaces the list)"),
        );
    }
    unknown.is_empty() && (elsewhere.is_empty() || client.audiences.is_empty())
}

/// Whether what happens is recorded so that nobody can change it unseen.
pub(super) async fn events(store: &Store, findings: &mut Findings) {
    const CHECK: &str = "events";
    match verify::begun(store).await {
        Ok(Some(at)) => findings.ok(CHECK, format!("chained since {}", out::rfc3339(at))),
        Ok(None) => findings.ok(CHECK, "not recorded yet: 'gatewright serve' begins"),
        Err(error) => findings.fail(CHECK, error.to_string(), "check the database"),
    }
}
