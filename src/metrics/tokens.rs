//! Tokens by grant, client and result. Who is shown by name is bounded, and nobody gets there by asking in vain.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::catalogue::{Of, TOKENS};
use super::parts::{Counters, LabelValue, labels};
use super::requests::OTHER;
use crate::domain::ErrorCode;
use crate::domain::client::GrantType;

/// Clients that are shown by their id.
pub const MAX_CLIENTS: usize = 100;
/// The result of a token request that got its token.
const ISSUED: &str = "issued";

type Series = HashMap<(&'static str, &'static str), Counter>;

/// Token requests; cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenMetrics {
    family: Counters<3>,
    /// Counters by grant and result, of each client that is shown.
    shown: Arc<RwLock<HashMap<Box<str>, Series>>>,
}

impl TokenMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            family: Counters::default(),
            shown: Arc::default(),
        };
        TOKENS.register(registry, role, new.family.clone());
        new
    }

    /// A client got a token. The first [`MAX_CLIENTS`] that do are shown by their id from then on.
    pub fn issued(&self, grant: GrantType, client_id: &str) {
        let grant = grant.as_str();
        if self.count_shown(client_id, grant, ISSUED) {
            return;
        }
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if shown.len() < MAX_CLIENTS || shown.contains_key(client_id) {
            let series = shown.entry(client_id.into()).or_default();
            self.count(series, client_id, grant, ISSUED);
        } else {
            drop(shown);
            self.count_other(grant, ISSUED);
        }
    }

    /// A token request was refused. What it said of grant and client may be anybody's invention: `None` for a grant
    /// that doesn't exist, and a client that never got a token is `other`.
    pub fn refused(&self, grant: Option<GrantType>, client_id: Option<&str>, error: ErrorCode) {
        let (grant, result) = (grant.map_or(OTHER, GrantType::as_str), error.as_str());
        let Some(client_id) = client_id else {
            return self.count_other(grant, result);
        };
        if self.count_shown(client_id, grant, result) {
            return;
        }
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = shown.get_mut(client_id) {
            self.count(series, client_id, grant, result);
        } else {
            drop(shown);
            self.count_other(grant, result);
        }
    }

    /// The usual way: the counter exists. False if it doesn't.
    fn count_shown(&self, client_id: &str, grant: &'static str, result: &'static str) -> bool {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let counter = shown
            .get(client_id)
            .and_then(|series| series.get(&(grant, result)));
        counter.map(Counter::inc).is_some()
    }

    fn count(
        &self,
        series: &mut Series,
        client_id: &str,
        grant: &'static str,
        result: &'static str,
    ) {
        series
            .entry((grant, result))
            .or_insert_with(|| self.counter(grant, client_id.to_owned().into(), result))
            .inc();
    }

    fn count_other(&self, grant: &'static str, result: &'static str) {
        self.counter(grant, OTHER.into(), result).inc();
    }

    fn counter(&self, grant: &'static str, client: LabelValue, result: &'static str) -> Counter {
        let labels = labels(TOKENS.labels, [grant.into(), client, result.into()]);
        self.family.get_or_create_owned(&labels)
    }
}
