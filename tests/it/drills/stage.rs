//! Two nodes on one database, an authorizer before an API, people and machines that do what they do every day, and a clock
//! that the drill moves.

use crate::support::administration::{ship, shipping_client, shipping_token};
use crate::support::fixtures::{PASSWORD, authorize_url, confidential_client, machine_client};
use crate::support::{Answer, Browser, TestApp};
use crate::troubleshooting::{Api, Beside, Decided, http_v2, story};
use gatewright::cli::explain::in_words;
use gatewright::domain::alert::TopFive;
use gatewright::domain::client::{Client, GrantType};
use gatewright::flows::alerts::{AlertSettings, Alerts, Surroundings};
use gatewright::store::alerts::{self, AlertRow};
use serde_json::json;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::sync::Mutex;

/// How often nodes look, and so how long a round is, seconds.
const ROUND_S: i64 = 10;
/// Rounds in which an alert must come.
pub const WITHIN_ROUNDS: usize = 6;

pub struct Stage {
    /// The nodes; each has the name it is written under.
    pub nodes: [TestApp; 2],
    watchers: [Alerts; 2],
    pub api: Api,
    /// How far the second node's clock is ahead of the database's.
    pub ahead: AtomicI64,
    /// The authorizer's own.
    token: Mutex<String>,
    rounds: AtomicU64,
    calls: AtomicU64,
}

impl Stage {
    pub async fn set(app: &TestApp) -> Self {
        let mut options = app.options.clone();
        options.node = "two".to_owned();
        let nodes = [app.clone(), app.reopened(options).await];
        app.with_ada_and_web().await;
        for name in ["grace", "edsger"] {
            app.add_person(name).await;
        }
        app.register(&machine_client("worker")).await;
        app.register(&machine_client("nightly")).await;
        app.register(&shipping_client("gate")).await;
        app.register(&Client {
            grants: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
            ..confidential_client("shop")
        })
        .await;
        let watchers = nodes
            .each_ref()
            .map(|node| Alerts::new(AlertSettings::default(), &node.issuer.entropy).unwrap());
        Self {
            api: Api::usual(app).await,
            token: Mutex::new(shipping_token(app, "gate").await),
            nodes,
            watchers,
            ahead: AtomicI64::new(0),
            rounds: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    pub fn app(&self) -> &TestApp {
        &self.nodes[0]
    }

    /// Both nodes forget what they cached of clients, as after a second.
    pub fn a_second_later(&self) {
        for node in &self.nodes {
            node.forget_caches();
        }
    }

    /// What goes on all the time: machines fetch tokens and call the API, people log in and mistype now and then,
    /// applications refresh, somebody asks for a scope in vain.
    async fn normal_load(&self) {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let node = &self.nodes[usize::try_from(round % 2).unwrap()];
        let token = token(node, "nightly").await;
        let allowed = self.call(&self.api, &token, "GET", "/orders/7").await;
        assert!(is_allowed(&allowed), "{}", allowed.log);
        if round.is_multiple_of(6) {
            let person = ["ada", "grace", "edsger"][usize::try_from(round / 6 % 3).unwrap()];
            let browser = Browser::new(&node.seen_from("198.51.100.20"));
            let url = authorize_url("web", "openid offline_access", &[]);
            if round.is_multiple_of(24) {
                browser.log_in(&url, person, "mistyped").await;
            }
            let answer = browser.log_in(&url, person, PASSWORD).await;
            let tokens = node
                .redeem("web", &answer.parameter("code").unwrap())
                .await
                .json();
            let refreshed = node
                .refresh("web", tokens["refresh_token"].as_str().unwrap())
                .await;
            assert_eq!(refreshed.status, 200);
        }
        if round.is_multiple_of(18) {
            assert_eq!(
                node.machine_token("nightly", &[("scope", "everything")])
                    .await
                    .status,
                400
            );
            self.call(&self.api, &token, "DELETE", "/orders/7").await;
        }
    }

    /// A call of the API through an authorizer, which sends its decision to the issuer.
    pub async fn call(&self, api: &Api, token: &str, method: &str, path: &str) -> Decided {
        let mut event = http_v2(&format!("Bearer {token}"), method, path);
        event["requestContext"]["requestId"] = json!(self.next_call());
        let decided = api.decide(self.app(), &event).await;
        let mut sent = self.ship(&decided.log).await;
        if sent.status == 401 {
            // Its token has expired.
            *self.token.lock().await = shipping_token(self.app(), "gate").await;
            sent = self.ship(&decided.log).await;
        }
        assert_eq!(sent.json()["added"], 1, "{}", sent.body);
        decided
    }

    /// The nodes take turns.
    async fn ship(&self, line: &str) -> Answer {
        let turn = self.calls.load(Ordering::Relaxed) % 2;
        let node = &self.nodes[usize::try_from(turn).unwrap()];
        ship(node, "", &self.token.lock().await, line).await
    }

    fn next_call(&self) -> String {
        format!("call-{}", self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// The request id of the last call.
    pub fn last_call(&self) -> String {
        format!("call-{}", self.calls.load(Ordering::Relaxed) - 1)
    }

    /// Ten seconds of normal load, then both nodes look.
    pub async fn round(&self) {
        self.normal_load().await;
        let app = self.app();
        app.advance(ROUND_S);
        for (index, (node, alerts)) in self.nodes.iter().zip(&self.watchers).enumerate() {
            let ahead = if index == 1 {
                self.ahead.load(Ordering::Relaxed)
            } else {
                0
            };
            let around = Surroundings {
                node_clock: app.now() + ahead,
                database_clock: app.now(),
                disk: None,
            };
            node.write_events().await;
            alerts.tick(&node.issuer, around).await.unwrap();
        }
    }

    pub async fn open(&self) -> Vec<AlertRow> {
        alerts::unresolved(&self.app().issuer.store).await.unwrap()
    }

    /// The alert of a rule and a target, which must come within a minute, once, and alone.
    pub async fn alarmed(&self, rule: &str, target: &str) -> (AlertRow, TopFive) {
        for _ in 0..WITHIN_ROUNDS {
            self.round().await;
            if !self.open().await.is_empty() {
                break;
            }
        }
        // And a little longer: no other follows, and none comes twice.
        self.round().await;
        let open = self.open().await;
        let raised: Vec<_> = open
            .iter()
            .map(|alert| (alert.rule.as_str(), alert.target.as_str()))
            .collect();
        assert_eq!(raised, [(rule, target)]);
        let alert = open.into_iter().next().unwrap();
        let top = serde_json::from_str(&alert.top).unwrap();
        (alert, top)
    }

    /// What `gatewright explain` prints of an id.
    pub async fn explained(&self, id: &str) -> String {
        self.nodes[1].write_events().await;
        let beside = Beside {
            log: String::new(),
            policy: Some(self.api.policy.clone()),
        };
        in_words(&story(self.app(), id, &beside).await.unwrap())
    }

    /// The same of an answer.
    pub async fn explained_answer(&self, answer: &Answer) -> String {
        self.explained(answer.header("x-request-id").unwrap()).await
    }
}

/// An access token of a machine.
pub async fn token(node: &TestApp, client_id: &str) -> String {
    let answer = node.machine_token(client_id, &[]).await.json();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Whether the authorizer let a call pass.
pub fn is_allowed(decided: &Decided) -> bool {
    decided.log.contains("\"decision\":\"allow\"")
}
