//! An app in-process.

use super::browser::unescape;
use super::database::{self, EPOCH, TempDir};
use axum::body::Body;
use axum::extract::Request;
use gatewright::cli::metrics::watched;
use gatewright::config::Config;
use gatewright::crypto::Entropy;
use gatewright::crypto::password::{HashSettings, PasswordHasher};
use gatewright::domain::form::encode;
use gatewright::flows::clients::ClientCache;
use gatewright::flows::events::{EventSettings, EventStream};
use gatewright::flows::scopes::ScopeDirectory;
use gatewright::flows::{Issuer, Settings, SharedIssuer, keys, password_costs};
use gatewright::http::endpoints::Counted;
use gatewright::http::guard::{self, GuardSettings, Guarded, Tracing};
use gatewright::http::server::PeerAddr;
use gatewright::http::{App, router};
use gatewright::store::Store;
use gatewright::store::events::search::{self, Filter};
use gatewright::store::events::{EventRow, Recorder};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tower::ServiceExt;

/// The issuer of test apps.
pub const ISSUER: &str = "https://id.example.com";

/// How a test app differs from the default.
#[derive(Clone)]
pub struct Options {
    pub issuer: String,
    pub settings: Settings,
    pub hashing: HashSettings,
    pub cors_origins: Vec<String>,
    pub scopes: ScopeDirectory,
    pub trusted_proxies: Vec<String>,
    pub node: String,
    pub events: EventSettings,
    /// Whether spans are made, all of them.
    pub traces: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuer: ISSUER.to_owned(),
            settings: Settings::default(),
            hashing: HashSettings {
                memory_kib: 16,
                iterations: 1,
                parallelism: 1,
                slots: 4,
                queue: 100,
            },
            cors_origins: Vec::new(),
            scopes: ScopeDirectory::default(),
            trusted_proxies: Vec::new(),
            node: "test".to_owned(),
            events: EventSettings::default(),
            traces: false,
        }
    }
}

/// One node. Clones share everything; `another_node` shares the database and the clock only.
#[derive(Clone)]
pub struct TestApp {
    pub issuer: SharedIssuer,
    pub state: App,
    pub url: String,
    pub options: Options,
    router: Guarded,
    clock: Arc<AtomicI64>,
    peer: SocketAddr,
    _dir: Arc<TempDir>,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// Where a page leads that goes on by itself.
    pub onward: Option<String>,
}

/// Where the page leads that follows a form of ours: refresh and link alike.
pub fn onward(body: &str) -> Option<String> {
    let between = |from: &str| {
        let at = body.find(from)? + from.len();
        let end = body[at..].find('"')?;
        Some(unescape(&body[at..at + end]))
    };
    let link = between("<a class=\"button\" id=\"return-link\" href=\"")?;
    let refresh = between("<meta http-equiv=\"refresh\" content=\"0; url=");
    assert_eq!(refresh.as_ref(), Some(&link), "{body}");
    Some(link)
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
    /// Where it leads the browser: by `Location`, or by a page that goes on by itself.
    pub fn location(&self) -> &str {
        self.header("location")
            .or(self.onward.as_deref())
            .unwrap_or_else(|| panic!("no Location: {} {}", self.status, self.body))
    }
    /// Whether it leads the browser on.
    pub fn leads_on(&self) -> bool {
        self.status == StatusCode::SEE_OTHER
            || self.status == StatusCode::OK && self.onward.is_some()
    }
    /// A decoded parameter of the query of where it leads.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.location().split_once('?')?;
        let form = gatewright::domain::form::Form::parse(query.as_bytes()).unwrap();
        form.get(name).map(str::to_owned)
    }
    /// `(status, error)` of an OAuth error, after checking the form that every one of them has.
    pub fn error(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.body
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        (
            self.status.as_u16(),
            self.json()["error"].as_str().unwrap_or_default().to_owned(),
        )
    }
    /// Asserts the bar's PAGE: 400 HTML on our own origin, no `Location`.
    #[track_caller]
    pub fn is_page(&self) {
        assert_eq!(self.status, StatusCode::BAD_REQUEST, "{}", self.body);
        assert!(self.header("location").is_none());
        assert!(self.body.contains("id=\"error-page\""), "{}", self.body);
    }
    /// Asserts the bar's REDIR(error): a 303, or after a form the page that leads on, to `to` with `error`, verbatim
    /// `state` and `iss`.
    #[track_caller]
    pub fn is_redirect_with(&self, to: &str, error: &str, state: Option<&str>, issuer: &str) {
        assert!(self.leads_on(), "{} {}", self.status, self.body);
        assert!(self.location().starts_with(to), "{}", self.location());
        assert_eq!(self.parameter("error").as_deref(), Some(error));
        assert_eq!(self.parameter("state").as_deref(), state);
        assert_eq!(self.parameter("iss").as_deref(), Some(issuer));
        assert!(self.parameter("code").is_none());
    }
}

impl TestApp {
    pub async fn sqlite() -> Self {
        Self::sqlite_with(Options::default()).await
    }

    pub async fn sqlite_with(options: Options) -> Self {
        let dir = TempDir::new();
        let url = database::sqlite(&dir).await;
        Self::open(
            url,
            options,
            Arc::new(AtomicI64::new(EPOCH + 1000)),
            Arc::new(dir),
        )
        .await
    }

    /// `None` where there is no PostgreSQL.
    pub async fn postgres() -> Option<Self> {
        Self::postgres_with(Options::default()).await
    }

    pub async fn postgres_with(options: Options) -> Option<Self> {
        let url = database::postgres().await?;
        let dir = Arc::new(TempDir::new());
        Some(Self::open(url, options, Arc::new(AtomicI64::new(EPOCH + 1000)), dir).await)
    }

    /// A second node on the same database.
    pub async fn another_node(&self) -> Self {
        self.reopened(self.options.clone()).await
    }

    /// A node on the same database with other options.
    pub async fn reopened(&self, options: Options) -> Self {
        Self::open(
            self.url.clone(),
            options,
            Arc::clone(&self.clock),
            Arc::clone(&self._dir),
        )
        .await
    }

    async fn open(url: String, options: Options, clock: Arc<AtomicI64>, dir: Arc<TempDir>) -> Self {
        let store = Store::open(&database::options(&url)).await.unwrap();
        let entropy = Entropy::system();
        let master = database::master();
        let keyring = keys::load(&store, &master).await.unwrap();
        let issuer = Arc::new(Issuer {
            url: options.issuer.clone(),
            settings: options.settings.clone(),
            passwords: watched(
                PasswordHasher::new(options.hashing, entropy.clone()).unwrap(),
                store.metrics(),
            ),
            keyring: arc_swap::ArcSwap::from_pointee(keyring),
            clients: ClientCache::default(),
            scopes: options.scopes.clone(),
            entropy: entropy.clone(),
            events: EventStream::new(
                Recorder::new(&options.node, master.events.clone()).watched_by({
                    let metrics = Arc::clone(store.metrics());
                    Arc::new(move |event| metrics.saw(event))
                }),
                entropy,
                options.events.clone(),
            ),
            store,
            master,
        });
        let started_at = clock.load(Ordering::SeqCst);
        password_costs::learn(&issuer.store, &issuer.passwords, started_at)
            .await
            .unwrap();
        let now = Arc::clone(&clock);
        let state = App::new(
            Arc::clone(&issuer),
            Arc::new(move || now.load(Ordering::SeqCst)),
            options.cors_origins.clone(),
        );
        let guard = GuardSettings {
            relays: false,
            hosts: None,
            body_limit: 65_536,
            body_timeout: Duration::from_secs(15),
            trusted_proxies: options
                .trusted_proxies
                .iter()
                .map(|net| net.parse().unwrap())
                .collect(),
            hsts: options.issuer.starts_with("https"),
            relayed: false,
            addresses: options.events.addresses,
            traces: options.traces.then(traced).flatten(),
        };
        let (told, at) = (Arc::clone(&issuer), Arc::clone(&clock));
        let on_noted = Arc::new(move |happening| {
            told.events.note(happening, at.load(Ordering::SeqCst));
        });
        let counted = Counted::issuer(&issuer.store.metrics().requests, &state.base_path);
        Self {
            router: guard::layer(guard, router(state.clone()))
                .counted_by(counted)
                .telling(on_noted),
            issuer,
            state,
            url,
            options,
            clock,
            peer: SocketAddr::from(([203, 0, 113, 7], 40_000)),
            _dir: dir,
        }
    }

    /// The same node, seen from another address.
    pub fn seen_from(&self, address: &str) -> Self {
        Self {
            peer: SocketAddr::new(address.parse().unwrap(), 40_000),
            ..self.clone()
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }
    pub fn set_clock(&self, now: i64) {
        self.clock.store(now, Ordering::SeqCst);
    }
    /// What every node does every second.
    pub async fn tick(&self) {
        keys::tick(&self.issuer, self.now()).await.unwrap();
    }
    /// Writes the events that wait, numbers of tokens included.
    pub async fn write_events(&self) {
        let issuer = &self.issuer;
        issuer
            .events
            .finish(&issuer.store, self.now())
            .await
            .unwrap();
    }
    /// Every event of a kind, oldest first.
    pub async fn recorded(&self, kind: &str) -> Vec<EventRow> {
        self.write_events().await;
        let filter = Filter {
            kind: Some(kind.to_owned()),
            ..Filter::default()
        };
        let mut found = search::find(&self.issuer.store, &filter, None, 10_000)
            .await
            .unwrap();
        found.reverse();
        found
    }
    /// Forgets cached clients, as a second's wait would.
    pub fn forget_caches(&self) {
        self.issuer.clients.clear();
    }

    pub async fn send(&self, mut request: Request) -> Answer {
        request.extensions_mut().insert(PeerAddr(self.peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            onward: onward(&body),
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(
            self.request(Method::GET, path, headers)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> http::request::Builder {
        let host = self
            .options
            .issuer
            .split("://")
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[]).await
    }

    pub async fn post_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        self.post_raw(path, &form(fields), headers).await
    }

    /// Posts a body as it stands, as a form.
    pub async fn post_raw(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self
            .request(Method::POST, path, headers)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }
}

/// What makes a span of each request; nobody exports them.
fn traced() -> Option<Arc<Tracing>> {
    let mut config = Config::default();
    config.traces.endpoint = Some("http://127.0.0.1:4318".to_owned());
    Tracing::of(&config)
}

/// A form body.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// HTTP Basic, form-encoded as RFC 6749 §2.3.1 demands.
pub fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    let pair = format!("{}:{}", encode(id), encode(secret));
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}
