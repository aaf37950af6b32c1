//! The use cases, one file a protocol act: ordered checks, then one transaction, then a response value.
//!
//! Imports `domain`, `crypto`, `store` and the authorizer's library. Knows no HTTP types. Time comes in as
//! `now`, Unix seconds; chance through [`Issuer::entropy`].

pub mod activity;
pub mod admin;
pub mod admin_token;
pub mod administration;
pub mod alerts;
mod authorization_response;
pub mod authorize;
mod checks;
mod client_assertion;
pub mod client_auth;
mod client_credentials;
pub mod clients;
mod code_exchange;
pub mod consent;
pub mod context;
pub mod discovery;
pub mod error;
pub mod events;
pub mod explain;
mod id_token_hint;
pub mod interaction;
pub mod introspect;
mod issue;
pub mod key_times;
pub mod keys;
pub mod login;
pub mod logout;
pub mod own_page;
mod own_token;
pub mod password_costs;
pub mod policy_refusal;
mod reach;
mod refresh;
mod request_object;
pub mod revoke;
pub mod scopes;
pub mod sessions;
pub mod token;
pub mod untrusted_proxies;
pub mod userinfo;

use crate::crypto::password::PasswordHasher;
use crate::crypto::{Entropy, Keyring, MasterKeys};
use crate::domain::ClientId;
use crate::domain::client::GrantType;
use crate::domain::event::Happening;
use crate::store::Store;
use arc_swap::ArcSwap;
use clients::ClientCache;
use events::EventStream;
use ipnet::IpNet;
use scopes::ScopeDirectory;
use std::sync::Arc;
use tracing::Instrument as _;

pub use error::{FlowError, TokenError};

/// Lifetimes and limits, seconds unless named otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Access tokens.
    pub access_token_s: i64,
    /// ID tokens.
    pub id_token_s: i64,
    /// Authorization codes.
    pub code_s: i64,
    /// A refresh token that isn't used.
    pub refresh_idle_s: i64,
    /// A family of refresh tokens, whatever happens.
    pub refresh_absolute_s: i64,
    /// How long a retry of the last refresh gets the same answer.
    pub refresh_grace_s: i64,
    /// A browser session that isn't used.
    pub session_idle_s: i64,
    /// A browser session, whatever happens.
    pub session_absolute_s: i64,
    /// How long verifiers may cache the JWKS.
    pub jwks_max_age_s: i64,
    /// Days between scheduled rotations; 0 for none.
    pub rotate_every_days: i64,
    /// Failures of one account in a window before it is throttled.
    pub account_failures: i64,
    /// That window.
    pub account_window_s: i64,
    /// Names that may fail from one address in a window.
    pub address_accounts: i64,
    /// That window.
    pub address_window_s: i64,
    /// Proxies that are believed whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: i64 = 86_400;
        Self {
            access_token_s: 300,
            id_token_s: 300,
            code_s: 60,
            refresh_idle_s: 14 * DAY,
            refresh_absolute_s: 90 * DAY,
            refresh_grace_s: 10,
            session_idle_s: 8 * 3600,
            session_absolute_s: DAY,
            jwks_max_age_s: 300,
            rotate_every_days: 0,
            account_failures: 5,
            account_window_s: 900,
            address_accounts: 15,
            address_window_s: 900,
            trusted_proxies: Vec::new(),
        }
    }
}

/// The identity server without its HTTP: what every use case works with.
pub struct Issuer {
    /// The issuer identifier, exactly as in `iss`.
    pub url: String,
    /// Lifetimes and limits.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// Chance.
    pub entropy: Entropy,
    /// Keys derived from the master key.
    pub master: MasterKeys,
    /// The password pool.
    pub passwords: PasswordHasher,
    /// The signing keys of this moment.
    pub keyring: ArcSwap<Keyring>,
    /// Clients, at most a second old.
    pub clients: ClientCache,
    /// Which scopes belong to which audiences.
    pub scopes: ScopeDirectory,
    /// What happens.
    pub events: EventStream,
}

impl Issuer {
    /// Records an event in the transaction of the act it describes; it's told of after the commit.
    ///
    /// # Errors
    /// [`FlowError`]
    pub(crate) fn record(
        &self,
        tx: &mut crate::store::Tx,
        happening: Happening,
        now: i64,
    ) -> Result<(), FlowError> {
        Ok(self.events.record(tx, happening, now)?)
    }

    /// Notes an access token that was given out.
    pub(crate) fn note_token(
        &self,
        (grant, client_id): (GrantType, &ClientId),
        now: i64,
        happening: impl FnOnce() -> Happening,
    ) {
        let metrics = self.store.metrics();
        metrics.tokens.issued(grant, client_id.as_str());
        self.events.note_token((grant, client_id), now, happening);
    }

    /// Counts an access token that is not to be noted by itself.
    pub(crate) fn count_token(&self, (grant, client_id): (GrantType, &ClientId)) {
        let metrics = self.store.metrics();
        metrics.tokens.issued(grant, client_id.as_str());
        self.events.count_token((grant, client_id));
    }

    /// Notes an event that needn't commit with anything. It can't fail.
    pub(crate) fn note(&self, happening: Happening, now: i64) {
        self.events.note(happening, now);
    }

    /// What an administrator's use cases work with, for `actor`.
    pub fn admin<'a>(&'a self, actor: &'a str) -> admin::Admin<'a> {
        admin::Admin {
            store: &self.store,
            master: &self.master,
            entropy: &self.entropy,
            passwords: &self.passwords,
            events: &self.events,
            actor,
        }
    }

    /// The endpoint at a path below the issuer.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// Runs a unit of work to its end even if the caller goes away: a spend is never cut in half.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, FlowError>> + Send + 'static,
) -> Result<T, FlowError> {
    let request = context::current();
    let work = async move {
        match request {
            Some(request) => context::within(request, work).await,
            None => work.await,
        }
    };
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(error) => Err(FlowError::Internal(format!("a task ended early: {error}"))),
    }
}

/// The issuer as the use cases share it.
pub type SharedIssuer = Arc<Issuer>;
