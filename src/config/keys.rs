//! The table of settings. Adding one is a line here, its field and its default in `values.rs`.

use std::{fmt::Display, path::Path};

use serde_json::Value;

use super::{
    Config, KeptAddress, LogFormat, MasterKeySource, MetricsFormat, Ratio, TlsConfig, TlsProfile,
    lists, read, read::Raw,
};

/// One setting.
pub(super) struct Key {
    /// As in the file: `database.url`.
    pub path: &'static str,
    /// What it is, for the example file.
    pub about: &'static str,
    /// Set if the default is "not set" or a secret: what the example file shows, commented.
    pub sample: Option<&'static str>,
    /// Reads a value into the configuration, or says what is wrong with it.
    pub set: fn(&mut Config, &Raw) -> Result<(), String>,
    /// The value as TOML.
    pub toml: fn(&Config) -> String,
    /// The value for people; secrets masked.
    pub masked: fn(&Config) -> String,
}

impl Key {
    /// `database.url` → `GATEWRIGHT_DATABASE_URL`.
    pub fn env_name(&self) -> String {
        format!(
            "GATEWRIGHT_{}",
            self.path.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// The value for programs, made of what people are shown: what is masked stays so.
    pub fn typed(&self, config: &Config, masked: &str) -> Value {
        if masked == NOT_SET {
            return Value::Null;
        }
        match (self.toml)(config).parse::<toml::Value>() {
            Ok(toml::Value::Integer(number)) => Value::from(number),
            Ok(toml::Value::Float(number)) => Value::from(number),
            Ok(list @ toml::Value::Array(_)) => serde_json::to_value(list).unwrap_or_default(),
            _ => Value::from(masked),
        }
    }
}

/// A setting that is a field: path, field, reader, description.
macro_rules! key {
    ($path:literal, $($field:ident).+, $read:expr, $about:literal) => {
        Key {
            path: $path,
            about: $about,
            sample: None,
            set: |config, raw| {
                config.$($field).+ = $read(raw)?;
                Ok(())
            },
            toml: |config| config.$($field).+.toml(),
            masked: |config| config.$($field).+.plain(),
        }
    };
}

/// A setting that has no default, or a secret: path, how to set it, how to show it, sample, description.
macro_rules! special {
    ($path:literal, $set:expr, $masked:expr, $sample:literal, $about:literal) => {
        Key {
            path: $path,
            about: $about,
            sample: Some($sample),
            set: $set,
            toml: $masked,
            masked: $masked,
        }
    };
}

/// `x` and `x_file` set the same thing.
pub(super) const ALTERNATIVES: [(&str, &str); 2] = [
    ("master_key", "master_key_file"),
    ("database.url", "database.url_file"),
];

const MAX_S: i64 = 10 * 365 * 24 * 60 * 60;

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key!("issuer", issuer, read::issuer, "Who issues the tokens, as clients see it: https, no trailing slash. Plain http is for loopback only."),
    key!("listen", listen, read::address, "Address and port to listen on."),
    special!("node", |c, raw| { c.node = read::node_name(raw)?; Ok(()) }, |c| c.node.clone().unwrap_or_else(|| NOT_SET.to_owned()), "node-1", "This node's name in events; the host's name, if nothing is set."),
    key!("trusted_proxies", trusted_proxies, lists::networks, "Proxies whose X-Forwarded-For is believed: networks or addresses. Nobody else's is."),
    special!("master_key", |c, raw| { c.master_key = read::master_key_value(raw)?; Ok(()) }, show_master_key, "…", "Seals the private keys: 32 bytes as base64 or hex, made with `openssl rand -base64 32`. PostgreSQL needs it;\nbeside an SQLite database one is made on the first start. Better in a file:"),
    special!("master_key_file", |c, raw| { c.master_key = read::master_key_file(raw)?; Ok(()) }, show_master_key_file, "/run/secrets/gatewright-master-key", "The file that holds the master key; nobody but the server should be able to read it."),

    Key { masked: |c| c.database.masked_url(), ..key!("database.url", database.url, read::database_url, "sqlite://PATH (relative) or sqlite:///PATH (absolute), or postgres://USER:PASSWORD@HOST/DATABASE.") },
    special!("database.url_file", |c, raw| { c.database.url = read::database_url_file(raw)?; Ok(()) }, |_| NOT_SET.to_owned(), "/run/secrets/gatewright-database-url", "The file that holds the URL, instead of the URL."),
    key!("database.max_connections", database.max_connections, read::integer(1..=1000), "Most connections that this process opens to PostgreSQL; an SQLite file has one writer and two readers."),

    special!("tls.certificate_file", |c, raw| { tls(c).certificate_file = read::path(raw)?; Ok(()) }, |c| show_path(c.tls.as_ref().map(|t| t.certificate_file.as_path())), "/etc/gatewright/tls.crt", "Certificate and chain, PEM. Without it the listener speaks plain HTTP. Read again on SIGHUP."),
    special!("tls.key_file", |c, raw| { tls(c).key_file = read::path(raw)?; Ok(()) }, |c| show_path(c.tls.as_ref().map(|t| t.key_file.as_path())), "/etc/gatewright/tls.key", "Its private key, PEM."),
    special!("tls.profile", |c, raw| { tls(c).profile = read::tls_profile(raw)?; Ok(()) }, |c| c.tls.as_ref().map_or_else(|| NOT_SET.to_owned(), |t| t.profile.plain()), "default", "default, or fapi: of TLS 1.2 only ECDHE with AES-GCM, as FAPI 2.0 asks; TLS 1.3 stays as it is."),

    key!("tokens.access_token_s", tokens.access_token_s, read::integer(10..=86_400), "Lifetime of an access token, in seconds. It cannot be recalled from verifiers that work offline."),
    key!("tokens.id_token_s", tokens.id_token_s, read::integer(10..=86_400), "Lifetime of an ID token, in seconds."),
    key!("tokens.code_s", tokens.code_s, read::integer(5..=600), "Lifetime of an authorization code, in seconds."),
    key!("tokens.refresh_idle_s", tokens.refresh_idle_s, read::integer(60..=MAX_S), "A refresh token ends after this many seconds without use."),
    key!("tokens.refresh_absolute_s", tokens.refresh_absolute_s, read::integer(60..=MAX_S), "A family of refresh tokens ends after this many seconds, however much it is used."),
    key!("tokens.refresh_grace_s", tokens.refresh_grace_s, read::integer(0..=60), "A refresh retried within this many seconds gets the same answer again."),

    key!("keys.jwks_max_age_s", keys.jwks_max_age_s, read::integer(1..=86_400), "How long verifiers may cache the keys, in seconds. A new key is published twice as long before it signs."),
    key!("keys.rotate_every_days", keys.rotate_every_days, read::integer(0..=3650), "Days between key rotations; 0 is off."),

    key!("password.memory_kib", password.memory_kib, read::integer(8_192..=4_194_304), "argon2id: memory of one hash, in KiB."),
    key!("password.iterations", password.iterations, read::integer(1..=100), "argon2id: passes."),
    key!("password.parallelism", password.parallelism, read::integer(1..=64), "argon2id: lanes."),
    key!("password.slots", password.slots, read::integer(1..=256), "Hashes computed at the same time; memory is slots times memory_kib, kept once it was needed."),
    key!("password.queue", password.queue, read::integer(0..=10_000), "Hashes that may wait, of strangers and of known browsers apart. Beyond that whoever would come last gets 503 and Retry-After."),

    key!("session.idle_s", session.idle_s, read::integer(60..=MAX_S), "A login ends after this many seconds without use."),
    key!("session.absolute_s", session.absolute_s, read::integer(60..=MAX_S), "A login ends after this many seconds, however much it is used."),

    key!("throttle.account_failures", throttle.account_failures, read::integer(1..=1000), "Wrong passwords for one account before it has to wait."),
    key!("throttle.account_window_s", throttle.account_window_s, read::integer(1..=86_400), "The window in which they count, in seconds."),
    key!("throttle.address_accounts", throttle.address_accounts, read::integer(1..=100_000), "Names tried in vain from one address (IPv6: one /64) before it has to wait."),
    key!("throttle.address_window_s", throttle.address_window_s, read::integer(1..=86_400), "The window in which they count, in seconds."),

    key!("events.addresses", events.addresses, read::kept_address, "How much of a caller's address is kept in events and logged: full, truncated (/24, IPv6 /48) or none."),
    key!("events.retention_days", events.retention_days, read::integer(0..=36_500), "Days until an event is removed; 0 keeps all."),
    key!("events.max_rows", events.max_rows, read::integer(0..=1_000_000_000_000), "Events that are kept, about a kilobyte each; beyond it the oldest refusals, failed logins, decisions and tokens go before their time, and what matters never. 0 is any number."),
    key!("events.tokens_per_s", events.tokens_per_s, read::integer(0..=100_000), "Access tokens recorded one by one in a second; of more, a number for each client and minute."),
    key!("events.decisions_per_s", events.decisions_per_s, read::integer(1..=100_000), "Decisions that authorizers may send to a node in a second; those beyond are taken a second later."),
    key!("events.refusals_per_minute", events.refusals_per_minute, read::integer(1..=10_000), "Refusals and failed logins of one kind recorded one by one in a minute for each network (/24, IPv6 /48); of more, a number for each network and minute."),
    key!("events.queue", events.queue, read::integer(100..=1_000_000), "Events of each sort that may wait to be written. What doesn't fit is counted and told."),

    key!("alerts.every_s", alerts.every_s, read::integer(0..=300), "Seconds between two looks at what happened; one node looks for all. 0 turns alerts off."),
    key!("alerts.quiet_s", alerts.quiet_s, read::integer(60..=86_400), "Seconds without a sign after which an alert resolves, and for which it isn't raised again."),
    key!("alerts.unusual_times", alerts.unusual_times, read::integer(2..=100), "So many times what is normal at this hour is unusual."),
    key!("alerts.login_failures", alerts.limits.login_failures, read::integer(0..=1_000_000), "Failed logins within 5 minutes, and unusual_times what is normal at this hour; like every rule: 0 turns it off."),
    key!("alerts.login_failures_account", alerts.limits.login_failures_account, read::integer(0..=1_000_000), "Failed logins of one account within 15 minutes."),
    key!("alerts.login_failures_address", alerts.limits.login_failures_address, read::integer(0..=1_000_000), "Failed logins from one address within 15 minutes."),
    key!("alerts.password_spraying", alerts.limits.password_spraying, read::integer(0..=1_000_000), "Accounts on which one password was tried in vain within the hour."),
    key!("alerts.client_secret_guessing", alerts.limits.client_secret_guessing, read::integer(0..=1_000_000), "Failed authentications of one client, or of unknown clients from one address, within 15 minutes."),
    key!("alerts.refresh_replay", alerts.limits.refresh_replay, read::integer(0..=1_000_000), "Spent refresh tokens of one client that came again."),
    key!("alerts.code_replay", alerts.limits.code_replay, read::integer(0..=1_000_000), "Spent codes of one client that came again."),
    key!("alerts.unknown_kid_flood", alerts.limits.unknown_kid_flood, read::integer(0..=1_000_000), "Tokens within 5 minutes, at the authorizers, that name a key which nobody has."),
    key!("alerts.denial_spike", alerts.limits.denial_spike, read::integer(0..=1_000_000), "Calls that the authorizers denied within 5 minutes, and unusual_times what is normal at this hour."),
    key!("alerts.admin_new_device", alerts.limits.admin_new_device, read::integer(0..=1_000_000), "Logins of an administrator from a device that the account didn't know."),
    key!("alerts.keys_overdue", alerts.limits.keys_overdue, read::integer(0..=1_000_000), "Seconds after which a key is late that should sign or have a successor."),
    key!("alerts.clock_skew", alerts.limits.clock_skew, read::integer(0..=1_000_000), "Seconds between a node's clock and the database's. From 5 on it's noted."),
    key!("alerts.event_loss", alerts.limits.event_loss, read::integer(0..=1_000_000), "Events that were lost."),
    key!("alerts.database_trouble", alerts.limits.database_trouble, read::integer(0..=1_000_000), "Requests that failed for the database within 15 minutes."),
    key!("alerts.disk_trouble", alerts.limits.disk_trouble, read::integer(0..=99), "Percent of an SQLite database's disk; fewer that are free are too few."),
    key!("alerts.notifier_down", alerts.limits.notifier_down, read::integer(0..=1_000_000), "Seconds for which a message about an alert can't be delivered."),
    key!("alerts.runbooks", alerts.runbooks, read::text, "Where the runbooks are that messages link to."),
    key!("alerts.outbound_allow", alerts.outbound_allow, lists::networks, "Networks or addresses that are not public, and that the webhook may be at all the same."),
    special!("alerts.ca_file", |c, raw| { c.alerts.ca_file = read::optional_path(raw)?; Ok(()) }, |c| show_path(c.alerts.ca_file.as_deref()), "/etc/gatewright/ca.pem", "A certificate authority of your own for webhook and mail server, PEM, beside the public ones."),
    special!("alerts.webhook_url", |c, raw| { c.alerts.webhook_url = read::secret_text(raw)?; Ok(()) }, |c| show_secret(c.alerts.webhook_url.is_some()), "https://alerts.example.com/gatewright", "Where alerts are posted to, as JSON; https only."),
    special!("alerts.webhook_secret_file", |c, raw| { c.alerts.webhook_secret_file = read::optional_path(raw)?; Ok(()) }, |c| show_path(c.alerts.webhook_secret_file.as_deref()), "/run/secrets/gatewright-webhook", "The file with the secret that they are signed with: `openssl rand -base64 32`."),
    special!("alerts.email_server", |c, raw| { c.alerts.email_server = Some(read::text(raw)?); Ok(()) }, |c| show_text(c.alerts.email_server.as_deref()), "smtps://mail.example.com", "The mail server: smtps://HOST, or smtp://HOST with STARTTLS (on a loopback address also without)."),
    special!("alerts.email_from", |c, raw| { c.alerts.email_from = Some(read::text(raw)?); Ok(()) }, |c| show_text(c.alerts.email_from.as_deref()), "gatewright@example.com", "Who the mail is from."),
    key!("alerts.email_to", alerts.email_to, read::texts, "Who it goes to."),
    special!("alerts.email_user", |c, raw| { c.alerts.email_user = Some(read::text(raw)?); Ok(()) }, |c| show_text(c.alerts.email_user.as_deref()), "gatewright", "The user at the mail server, if it asks for one."),
    special!("alerts.email_password_file", |c, raw| { c.alerts.email_password_file = read::optional_path(raw)?; Ok(()) }, |c| show_path(c.alerts.email_password_file.as_deref()), "/run/secrets/gatewright-smtp", "The file with the user's password."),

    key!("log.format", log.format, read::log_format, "human or json, one event a line, on standard error."),
    key!("log.level", log.level, read::level, "off, error, warn, info, debug or trace."),

    special!("traces.endpoint", |c, raw| { c.traces.endpoint = read::collector(raw)?; Ok(()) }, |c| c.traces.endpoint.clone().unwrap_or_else(|| NOT_SET.to_owned()), "http://127.0.0.1:4318", "Records traces for this OpenTelemetry collector: the base URL of OTLP over HTTP. Off without it."),
    key!("traces.sample", traces.sample, read::ratio, "How many of the traces that begin here are recorded, from 0.0 to 1.0."),
    key!("traces.per_s", traces.per_s, read::integer(1..=1_000_000), "Traces recorded in a second, at most: so many that begin here, and as many that callers want recorded."),
    key!("traces.service_name", traces.service_name, read::text, "What the spans call this service."),
    key!("metrics.listen", metrics.listen, read::address_or_off, "Where Prometheus finds the metrics, at /metrics; off for nowhere. They name clients and load: keep it to\nyour own networks."),
    key!("metrics.format", metrics.format, read::metrics_format, "prometheus, or emf: a line a minute on standard output for CloudWatch Logs, and metrics.listen only if it's set."),

    key!("cors.origins", cors.origins, lists::origins, "Web origins that may call the token, userinfo and revocation endpoints. Exact: no wildcard, no null."),

    special!("policy.file", |c, raw| { c.policy.file = read::optional_path(raw)?; Ok(()) }, |c| show_path(c.policy.file.as_deref()), "policy.toml", "The authorizer's policy, so that the issuer knows its audiences and scopes."),

    key!("http.hosts", http.hosts, lists::hosts, "More names that a listener on loopback answers to, besides localhost, loopback addresses and the issuer's host.\nTrusted proxies may send any Host."),
    key!("http.max_connections", http.max_connections, read::integer(1..=1_000_000), "Open connections. Beyond it the one that waits longest for its client is closed."),
    key!("http.max_connections_per_address", http.max_connections_per_address, read::integer(1..=1_000_000), "Those of one address (IPv6: one /64); trusted proxies have no such limit. Beyond it, the one of them that waits\nlongest is closed."),
    key!("http.max_streams", http.max_streams, read::integer(1..=1_000), "Requests that an HTTP/2 connection may have open."),
    key!("http.memory_mib", http.memory_mib, read::integer(16..=1_048_576), "Memory in MiB that connections and their requests may hold. Beyond it, those that wait longest for their\nclients are closed. docs/limits.md has the sum."),
    key!("http.header_timeout_s", http.header_timeout_s, read::integer(1..=120), "Seconds that a client has for the headers of a request."),
    key!("http.body_timeout_s", http.body_timeout_s, read::integer(1..=120), "Seconds that a client has for the body of a request."),
    key!("http.idle_timeout_s", http.idle_timeout_s, read::integer(1..=3600), "Seconds that a connection may wait for its next request. Keep it above your proxy's."),
    key!("http.body_limit_bytes", http.body_limit_bytes, read::integer(1_024..=16_777_216), "Largest body of a request."),
    key!("http.shutdown_delay_s", http.shutdown_delay_s, read::integer(0..=300), "Seconds in which requests are still taken after the signal to stop, for load balancers to notice."),
    key!("http.drain_s", http.drain_s, read::integer(1..=300), "Seconds that requests in flight have to complete at shutdown."),
];

fn tls(config: &mut Config) -> &mut TlsConfig {
    config.tls.get_or_insert_default()
}

/// What people read where nothing is set.
pub(super) const NOT_SET: &str = "(not set)";

fn show_master_key(config: &Config) -> String {
    match config.master_key {
        Some(MasterKeySource::Value(_)) => "***".to_owned(),
        _ => NOT_SET.to_owned(),
    }
}

fn show_master_key_file(config: &Config) -> String {
    match &config.master_key {
        Some(MasterKeySource::File(path)) => path.display().to_string(),
        _ => NOT_SET.to_owned(),
    }
}

fn show_text(text: Option<&str>) -> String {
    text.unwrap_or(NOT_SET).to_owned()
}

fn show_secret(is_set: bool) -> String {
    if is_set { "***" } else { NOT_SET }.to_owned()
}

fn show_path(path: Option<&Path>) -> String {
    path.map_or_else(|| NOT_SET.to_owned(), |path| path.display().to_string())
}

/// A value as it stands in the file, and as it is shown to people.
trait Shown {
    fn toml(&self) -> String;
    fn plain(&self) -> String;
}

/// Text that stands in quotes in the file.
macro_rules! shown_quoted {
    ($($type:ty),+) => {$(
        impl Shown for $type {
            fn toml(&self) -> String {
                toml::Value::String(self.plain()).to_string()
            }
            fn plain(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

macro_rules! shown_bare {
    ($($type:ty),+) => {$(
        impl Shown for $type {
            fn toml(&self) -> String {
                self.to_string()
            }
            fn plain(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

shown_quoted!(
    String,
    std::net::SocketAddr,
    ipnet::IpNet,
    LogFormat,
    KeptAddress,
    MetricsFormat,
    TlsProfile
);
shown_bare!(i64, u64, u32, usize, Ratio);

impl<T: Shown> Shown for Vec<T> {
    fn toml(&self) -> String {
        format!(
            "[{}]",
            self.iter().map(Shown::toml).collect::<Vec<_>>().join(", ")
        )
    }
    fn plain(&self) -> String {
        if self.is_empty() {
            return "(none)".to_owned();
        }
        self.iter().map(Shown::plain).collect::<Vec<_>>().join(", ")
    }
}

impl Shown for Option<std::net::SocketAddr> {
    fn toml(&self) -> String {
        toml::Value::String(self.plain()).to_string()
    }
    fn plain(&self) -> String {
        self.map_or_else(|| "off".to_owned(), |address| address.to_string())
    }
}

impl Display for MetricsFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prometheus => "prometheus",
            Self::Emf => "emf",
        })
    }
}

impl Display for TlsProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Fapi => "fapi",
        })
    }
}

impl Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}
