//! The checks that need more than one setting.

use std::collections::BTreeMap;

use super::{Config, Problem, Source};

/// The checks that need more than one setting.
pub(super) fn check_together(
    config: &Config,
    provenance: &BTreeMap<&'static str, Source>,
    problems: &mut Vec<Problem>,
) {
    let master_key_refused = problems
        .iter()
        .any(|problem| problem.key.starts_with("master_key"));
    let mut refuse = |key: &'static str, what: &str| {
        problems.push(match provenance.get(key) {
            Some(source) => Problem::of(key, source, what),
            None => Problem::missing(key, what),
        });
    };
    if config.database.is_postgres() && config.master_key.is_none() && !master_key_refused {
        refuse("master_key", master_key_missing());
    }
    if let Some(tls) = &config.tls {
        if tls.certificate_file.as_os_str().is_empty() {
            refuse(
                "tls.certificate_file",
                "is missing: with any tls.* set, TLS needs tls.certificate_file and tls.key_file",
            );
        }
        if tls.key_file.as_os_str().is_empty() {
            refuse(
                "tls.key_file",
                "is missing: with any tls.* set, TLS needs tls.certificate_file and tls.key_file",
            );
        }
        if !config.issuer.starts_with("https://") {
            refuse(
                "issuer",
                "must start with https:// because tls is configured",
            );
        }
    }
    if config.tokens.refresh_idle_s > config.tokens.refresh_absolute_s {
        refuse(
            "tokens.refresh_idle_s",
            "must not be longer than tokens.refresh_absolute_s",
        );
    }
    if config.session.idle_s > config.session.absolute_s {
        refuse(
            "session.idle_s",
            "must not be longer than session.absolute_s",
        );
    }
    if config.password.memory_kib < 8 * config.password.parallelism {
        refuse(
            "password.memory_kib",
            "must be at least 8 times password.parallelism",
        );
    }
    config.alert_faults(&mut refuse);
}

pub(super) fn master_key_missing() -> &'static str {
    "is missing: on PostgreSQL it must be given, the same on every node; make one with `openssl rand -base64 32` and \
     set master_key_file (GATEWRIGHT_MASTER_KEY_FILE) to a file that holds it"
}
