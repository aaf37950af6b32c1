//! Proxies that say whom they speak for, and aren't believed.

use super::super::args::now;
use super::findings::Findings;
use crate::config::Config;
use crate::flows::untrusted_proxies::{UntrustedProxy, of_the_last_day};
use crate::store::Store;

/// What the nodes recorded, against `trusted_proxies` as it is now.
pub(super) async fn untrusted(config: &Config, store: &Store, findings: &mut Findings) {
    const CHECK: &str = "proxies";
    let all = match of_the_last_day(store, &config.trusted_proxies, now()).await {
        Ok(all) => all,
        Err(error) => return findings.fail(CHECK, error.to_string(), "check the database"),
    };
    let (own, strangers): (Vec<_>, Vec<_>) = all.iter().partition(|proxy| proxy.private);
    let names = |proxies: &[&UntrustedProxy]| {
        let names: Vec<&str> = proxies.iter().map(|proxy| proxy.name()).collect();
        names.join(", ")
    };
    let found = |who: String| {
        format!(
            "{who} sent X-Forwarded-For or Forwarded in the last day, and isn't in trusted_proxies"
        )
    };
    if !own.is_empty() {
        findings.warn(
            CHECK,
            format!("{}: all behind it share one address and its limits", found(names(&own))),
            "if it's a proxy of yours, list it in trusted_proxies (GATEWRIGHT_TRUSTED_PROXIES) and restart",
        );
    }
    if !strangers.is_empty() {
        findings.ok(
            CHECK,
            format!(
                "{}: if it's no proxy of yours, somebody makes it up, and it isn't believed",
                found(names(&strangers))
            ),
        );
    }
    if all.is_empty() {
        findings.ok(
            CHECK,
            "nobody sends forwarded headers without being trusted",
        );
    }
}
