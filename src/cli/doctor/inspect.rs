//! The inspections. None of them makes a file, a key or a row.

use super::super::args::now;
use super::super::open;
use super::findings::Findings;
use crate::config::{Config, Loaded, MasterKeySource, master_key as master_key_file};
use crate::crypto::{Entropy, MasterKeys};
use crate::flows::admin::{Admin, administrators, keys as admin_keys};
use crate::private_files::{self, Fault};
use crate::store::{Backend, Store};
use gatewright_authorizer::fetch::{Limits, get};
use gatewright_authorizer::jose::parse_object;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A difference of clocks that is not worth a word, and one that tokens still bear. Seconds.
const CLOCK_OK_S: i64 = 2;
const CLOCK_BORNE_S: i64 = 5;

/// The master key, if it is there and readable.
pub(super) fn master_key(config: &Config, findings: &mut Findings) -> Option<MasterKeys> {
    const CHECK: &str = "master key";
    let made = config.database.generated_master_key_file();
    if let (None, Some(path)) = (&config.master_key, &made)
        && path.symlink_metadata().is_err()
    {
        if config
            .database
            .sqlite_file()
            .is_some_and(|database| database.exists())
        {
            findings.fail(
                CHECK,
                format!("{} is missing, and the database is there", path.display()),
                "restore the file from your backup, or name it by master_key_file",
            );
        } else {
            findings.warn(
                CHECK,
                format!("{} is not there yet", path.display()),
                "nothing to do: it is made with the database on the first start",
            );
        }
        return None;
    }
    let remedy = "give the right key by master_key_file (GATEWRIGHT_MASTER_KEY_FILE)";
    match master_key_file::existing(config) {
        Ok(None) => None,
        Ok(Some((key, _))) => match open::derive(&key) {
            Ok(master) => {
                findings.ok(CHECK, format!("readable, its id is {}", master.id()));
                Some(master)
            }
            Err(error) => {
                findings.fail(CHECK, error.to_string(), remedy);
                None
            }
        },
        Err(error) => {
            findings.fail(CHECK, error.to_string(), remedy);
            None
        }
    }
}

/// The database, if it answers and has its tables.
pub(super) async fn database(config: &Config, findings: &mut Findings) -> Option<Store> {
    const CHECK: &str = "database";
    let place = config.database.masked_url();
    if let Some(file) = config.database.sqlite_file().filter(|file| !file.exists()) {
        findings.fail(
            CHECK,
            format!("{} is not there", file.display()),
            "start the server with 'gatewright serve', which makes it, or correct database.url",
        );
        return None;
    }
    let store = match open::open_store(config).await {
        Ok(store) => store,
        Err(error) => {
            findings.fail(
                CHECK,
                format!("{place}: {error}"),
                "start it, or correct database.url",
            );
            return None;
        }
    };
    let pending = match store.pending_migrations().await {
        Ok(pending) => pending,
        Err(error) => {
            findings.fail(
                CHECK,
                format!("{place}: {error}"),
                "check database.url and the version of gatewright",
            );
            return None;
        }
    };
    if pending.is_empty() {
        findings.ok(CHECK, format!("{place} answers and is up to date"));
        return Some(store);
    }
    let found = format!("{place} lacks {}", pending.join(", "));
    if store.backend() == Backend::Sqlite {
        findings.warn(
            CHECK,
            found,
            "run 'gatewright migrate', or start the server, which does it",
        );
    } else {
        findings.fail(CHECK, found, "run 'gatewright migrate'");
    }
    store.close().await;
    None
}

/// This machine's clock against the database's.
pub(super) async fn clock(store: &Store, findings: &mut Findings) {
    const CHECK: &str = "clock";
    let remedy = "set this machine's clock, and the database's, by NTP";
    match store.clock().await {
        Ok(there) => {
            let apart = (now() - there).abs();
            let found = format!("{apart} seconds from the database's");
            if apart <= CLOCK_OK_S {
                findings.ok(CHECK, found);
            } else if apart <= CLOCK_BORNE_S {
                findings.warn(CHECK, found, remedy);
            } else {
                findings.fail(CHECK, format!("{found}: tokens will be refused"), remedy);
            }
        }
        Err(error) => findings.fail(CHECK, error.to_string(), "check the database"),
    }
}

/// The signing keys: one active for each algorithm, none overdue, all sealed by this master key.
pub(super) async fn keys(
    config: &Config,
    store: &Store,
    master: &MasterKeys,
    findings: &mut Findings,
) {
    const CHECK: &str = "signing keys";
    let entropy = Entropy::system();
    let passwords = match open::hasher(config, &entropy) {
        Ok(passwords) => passwords,
        Err(error) => {
            return findings.fail(
                "passwords",
                error.to_string(),
                "correct the section [password]",
            );
        }
    };
    let admin = Admin {
        store,
        master,
        entropy: &entropy,
        passwords: &passwords,
        events: &open::event_stream(config, store, master, &entropy),
        actor: "cli",
    };
    let report = match admin_keys::examine(admin, now()).await {
        Ok(report) => report,
        Err(error) => return findings.fail(CHECK, error.to_string(), "check the database"),
    };
    if let Some(other) = &report.sealed_by_another {
        findings.fail(
            CHECK,
            format!(
                "the database was sealed under master key {other}, and the one given is {}",
                master.id()
            ),
            "give the master key that sealed the database, from your backup if need be",
        );
    } else if let Some(why) = &report.unreadable {
        findings.fail(
            CHECK,
            why.clone(),
            "give the master key that sealed them; a new one is never made in their place",
        );
    }
    let names = |algorithms: &[gatewright_authorizer::jose::Algorithm]| {
        algorithms
            .iter()
            .map(|alg| alg.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if report.active.is_empty() {
        findings.warn(
            CHECK,
            "there are none yet",
            "nothing to do: 'gatewright serve' makes the first ones",
        );
    } else if report.without.is_empty() {
        findings.ok(CHECK, format!("{} are active", names(&report.active)));
    } else {
        findings.fail(
            CHECK,
            format!("no key signs with {}", names(&report.without)),
            "wait until the pending key signs, or run 'gatewright key rotate'",
        );
    }
    for kid in &report.overdue {
        findings.warn(
            CHECK,
            format!("key {kid} should sign by now and is still pending"),
            "start the server: a running one takes it up within a second",
        );
    }
    for kid in &report.rejected {
        findings.fail(
            CHECK,
            format!("key {kid} was not written by the holder of the master key, and is not used"),
            format!(
                "find out who can write the database; 'gatewright key retire {kid}' takes the row out"
            ),
        );
    }
    administrators(admin, findings).await;
}

/// People whom the database alone calls administrators.
async fn administrators(admin: Admin<'_>, findings: &mut Findings) {
    const CHECK: &str = "administrators";
    match administrators::unsealed(admin).await {
        Ok(unsealed) => {
            for subject in unsealed {
                findings.fail(
                    CHECK,
                    format!("the database calls {subject} an administrator, whom nobody made one, and who is none"),
                    "find out who can write the database; if it's right, run 'gatewright user update NAME \
                     --administrator true'",
                );
            }
        }
        Err(error) => findings.fail(CHECK, error.to_string(), "check the database"),
    }
}

/// The issuer's discovery document, fetched as a client would.
pub(super) async fn issuer(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "issuer URL";
    let url = format!("{}/.well-known/openid-configuration", config.issuer);
    let limits = Limits {
        timeout: Duration::from_secs(5),
        max_bytes: 256 * 1024,
    };
    let response = match get(&url, limits).await {
        Ok(response) => response,
        Err(error) => {
            return findings.fail(
                CHECK,
                format!("{url}: {error}"),
                "start 'gatewright serve', and see that name, proxy and certificate lead to it (public authorities only \
                 are trusted here)",
            );
        }
    };
    if response.status.as_u16() != 200 {
        return findings.fail(
            CHECK,
            format!("{url} answered {}", response.status),
            "see that the proxy passes this path on to gatewright, and that nothing else listens there",
        );
    }
    let document = parse_object(&response.body).ok();
    let said = document
        .as_ref()
        .and_then(|document| document.get("issuer"))
        .and_then(Value::as_str);
    match said {
        Some(said) if said == config.issuer => {
            findings.ok(CHECK, format!("{url} answers as {said}"));
        }
        Some(said) => findings.fail(
            CHECK,
            format!(
                "{url} calls itself {said:?}, and the configuration says {:?}",
                config.issuer
            ),
            "give the server and this command the same issuer, byte for byte",
        ),
        None => findings.fail(
            CHECK,
            format!("{url} is no discovery document"),
            "see that the proxy passes this path on to gatewright",
        ),
    }
}

/// Files with secrets that others could have written or may read.
pub(super) fn file_modes(loaded: &Loaded, findings: &mut Findings) {
    const CHECK: &str = "file modes";
    let config = &loaded.config;
    let mut all_well = true;
    let mut look = |what: &str, path: &Path, grave: bool| {
        let Err(fault) = private_files::check(path) else {
            return;
        };
        let remedy = match &fault {
            Fault::Io(..) => return,
            Fault::Open(file, _) => format!("run 'chmod 600 {}'", file.display()),
            _ => "use a file and a folder of your own".to_owned(),
        };
        all_well = false;
        let found = format!("{what}: {fault}");
        if grave {
            findings.fail(CHECK, found, remedy);
        } else {
            findings.warn(CHECK, found, remedy);
        }
    };
    if let Some(database) = config.database.sqlite_file() {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = database.clone().into_os_string();
            path.push(suffix);
            look("the database", &PathBuf::from(path), false);
        }
    }
    match &config.master_key {
        Some(MasterKeySource::File(path)) => look("the master key", path, true),
        Some(MasterKeySource::Value(_)) => {}
        None => {
            if let Some(path) = config.database.generated_master_key_file() {
                look("the master key", &path, true);
            }
        }
    }
    if let Some(file) = loaded.file_with_secrets() {
        look("the configuration", file, true);
    }
    if let Some(tls) = &config.tls {
        look("the TLS key", &tls.key_file, true);
    }
    let alerts = &config.alerts;
    for (what, file) in [
        ("the webhook's secret", &alerts.webhook_secret_file),
        ("the mail server's password", &alerts.email_password_file),
    ] {
        if let Some(file) = file {
            look(what, file, true);
        }
    }
    if all_well {
        findings.ok(CHECK, "the files with secrets are the owner's alone");
    }
}
