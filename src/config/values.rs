//! The settings as types, and their defaults.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{AlertsConfig, EventsConfig, MetricsConfig, TracesConfig};
use ipnet::IpNet;
use zeroize::Zeroizing;

/// A secret given as text. Wiped on drop; no `Display`, and `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Where the master key is to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// Given in the configuration itself.
    Value(SecretText),
    /// The path of a file that holds it.
    File(PathBuf),
}

/// Every setting of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The `iss` of every token: no trailing slash, https or http on a loopback address.
    pub issuer: String,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Seals private keys. `None` only on SQLite, where one is made on the first start.
    pub master_key: Option<MasterKeySource>,
    /// Where everything is stored.
    pub database: DatabaseConfig,
    /// TLS of the listener; `None` serves plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Lifetimes of codes and tokens.
    pub tokens: TokensConfig,
    /// Signing keys.
    pub keys: KeysConfig,
    /// Password hashing.
    pub password: PasswordConfig,
    /// Login sessions.
    pub session: SessionConfig,
    /// Limits on wrong passwords.
    pub throttle: ThrottleConfig,
    /// This node's name in events; `None` is the host's name.
    pub node: Option<String>,
    /// What is recorded.
    pub events: EventsConfig,
    /// What is warned of, and who is told.
    pub alerts: AlertsConfig,
    /// The log on standard error.
    pub log: LogConfig,
    /// Traces for an OpenTelemetry collector.
    pub traces: TracesConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Cross-origin requests.
    pub cors: CorsConfig,
    /// The authorizer's policy.
    pub policy: PolicyConfig,
    /// Limits of the HTTP listener.
    pub http: HttpConfig,
}

/// `[database]`
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `sqlite://…` or `postgres://…`. It may hold a password: [`DatabaseConfig::masked_url`] is the one to print.
    pub url: String,
    /// Most connections this process opens to PostgreSQL.
    pub max_connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &self.masked_url())
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

impl DatabaseConfig {
    /// Is it PostgreSQL?
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }

    /// The SQLite file; `None` for PostgreSQL and for a database in memory.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.url.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let in_memory = path.is_empty()
            || path == ":memory:"
            || query.split('&').any(|pair| pair == "mode=memory");
        (!in_memory).then(|| PathBuf::from(path))
    }

    /// Where the master key of an embedded database is made: `<database>.master-key`.
    pub fn generated_master_key_file(&self) -> Option<PathBuf> {
        let mut path = self.sqlite_file()?.into_os_string();
        path.push(".master-key");
        Some(PathBuf::from(path))
    }

    /// The URL without its password.
    pub fn masked_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return self.url.clone();
        };
        let (place, query) = rest
            .split_once('?')
            .map_or((rest, None), |(place, query)| (place, Some(query)));
        // The last `@`, for a password may hold one unencoded; one after a `?` may belong to a password too.
        let place = match place.rsplit_once('@') {
            Some((login, host)) => match login.split_once(':') {
                Some((user, _)) => format!("{user}:***@{host}"),
                None => place.to_owned(),
            },
            None if query.is_some_and(|query| query.contains('@')) => {
                return format!("{scheme}://***");
            }
            None => place.to_owned(),
        };
        let query: Vec<_> = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .map(mask_query_secret)
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{place}{mark}{}", query.join("&"))
    }
}

fn mask_query_secret(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    }
}

/// `[tls]`: PEM files, read again on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// The certificate and its chain.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Which ciphers are spoken.
    pub profile: TlsProfile,
}

/// Which ciphers TLS speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsProfile {
    /// All that are held to be good.
    #[default]
    Default,
    /// Those that FAPI 2.0 allows.
    Fapi,
}

/// `[tokens]`: lifetimes in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokensConfig {
    /// Access tokens.
    pub access_token_s: i64,
    /// ID tokens.
    pub id_token_s: i64,
    /// Authorization codes.
    pub code_s: i64,
    /// A refresh token that is not used.
    pub refresh_idle_s: i64,
    /// A family of refresh tokens, however much it is used.
    pub refresh_absolute_s: i64,
    /// How long a retry of a refresh gets the same answer.
    pub refresh_grace_s: i64,
}

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysConfig {
    /// `max-age` of the JWKS, in seconds.
    pub jwks_max_age_s: i64,
    /// Days between rotations; 0 is off.
    pub rotate_every_days: u32,
}

/// `[password]`: argon2id and the queue before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes computed at the same time.
    pub slots: usize,
    /// Hashes that may wait, of strangers and of known browsers apart; beyond that, 503.
    pub queue: usize,
}

/// `[session]`: seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// A session that is not used.
    pub idle_s: i64,
    /// A session, however much it is used.
    pub absolute_s: i64,
}

/// `[throttle]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleConfig {
    /// Wrong passwords for one account within the window.
    pub account_failures: u32,
    /// In seconds.
    pub account_window_s: i64,
    /// Distinct names tried in vain from one address within the window.
    pub address_accounts: u32,
    /// In seconds.
    pub address_window_s: i64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For reading.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// `[cors]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsConfig {
    /// Origins that may call the token, userinfo and revocation endpoints.
    pub origins: Vec<String>,
}

/// `[policy]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyConfig {
    /// The policy file, if the issuer is to know its scopes.
    pub file: Option<PathBuf>,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// More names by which a listener on loopback is asked, besides loopback's own and the issuer's.
    pub hosts: Vec<String>,
    /// Open connections; beyond it the one that waits longest for its client is closed.
    pub max_connections: usize,
    /// Open connections of one IPv4 address or IPv6 /64, but for trusted proxies.
    pub max_connections_per_address: usize,
    /// Requests that an HTTP/2 connection may have open.
    pub max_streams: u32,
    /// Memory that connections may hold, in MiB.
    pub memory_mib: usize,
    /// Seconds for the headers of a request.
    pub header_timeout_s: u64,
    /// Seconds for the body of a request.
    pub body_timeout_s: u64,
    /// Seconds that a connection may wait for its next request. Keep it above the proxy's.
    pub idle_timeout_s: u64,
    /// Largest body of a request.
    pub body_limit_bytes: usize,
    /// Seconds after the signal to stop in which requests are still accepted, so that a load balancer can notice.
    pub shutdown_delay_s: u64,
    /// Seconds for requests in flight at shutdown.
    pub drain_s: u64,
}

const DAY_S: i64 = 24 * 60 * 60;

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            trusted_proxies: Vec::new(),
            master_key: None,
            database: DatabaseConfig {
                url: "sqlite://gatewright.db".to_owned(),
                max_connections: 16,
            },
            tls: None,
            tokens: TokensConfig {
                access_token_s: 300,
                id_token_s: 300,
                code_s: 60,
                refresh_idle_s: 14 * DAY_S,
                refresh_absolute_s: 90 * DAY_S,
                refresh_grace_s: 10,
            },
            keys: KeysConfig {
                jwks_max_age_s: 300,
                rotate_every_days: 0,
            },
            password: PasswordConfig {
                memory_kib: 19_456,
                iterations: 2,
                parallelism: 1,
                slots: 2,
                queue: 16,
            },
            session: SessionConfig {
                idle_s: DAY_S / 3,
                absolute_s: DAY_S,
            },
            throttle: ThrottleConfig {
                account_failures: 5,
                account_window_s: 900,
                address_accounts: 15,
                address_window_s: 900,
            },
            node: None,
            events: EventsConfig::default(),
            alerts: AlertsConfig::default(),
            log: LogConfig {
                format: LogFormat::Human,
                level: "info".to_owned(),
            },
            traces: TracesConfig::default(),
            metrics: MetricsConfig::default(),
            cors: CorsConfig::default(),
            policy: PolicyConfig::default(),
            http: HttpConfig {
                hosts: Vec::new(),
                max_connections: 10_000,
                max_connections_per_address: 1_000,
                max_streams: 100,
                memory_mib: 384,
                header_timeout_s: 10,
                body_timeout_s: 15,
                idle_timeout_s: 75,
                body_limit_bytes: 65_536,
                shutdown_delay_s: 0,
                drain_s: 10,
            },
        }
    }
}
