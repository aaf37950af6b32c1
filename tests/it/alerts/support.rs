//! A node that watches, on a clock that the test moves.

use crate::support::TestApp;
use gatewright::domain::device::DeviceClass;
use gatewright::domain::event::{ClientAuthFailure, Decision, Happening, LoginFailure};
use gatewright::domain::{ClientId, FamilyId, SessionId, Subject};
use gatewright::flows::alerts::{AlertSettings, Alerts, Surroundings};
use gatewright::flows::context::{self, CurrentRequest};
use gatewright::store::alerts::{self, AlertRow};

pub struct Watcher {
    pub app: TestApp,
    pub alerts: Alerts,
}

impl Watcher {
    pub fn on(app: &TestApp) -> Self {
        Self::with(app, AlertSettings::default())
    }

    pub fn with(app: &TestApp, settings: AlertSettings) -> Self {
        Self {
            app: app.clone(),
            alerts: Alerts::new(settings, &app.issuer.entropy).unwrap(),
        }
    }

    pub fn around(&self) -> Surroundings {
        let now = self.app.now();
        Surroundings {
            node_clock: now,
            database_clock: now,
            disk: None,
        }
    }

    pub async fn tick(&self) -> bool {
        self.tick_in(self.around()).await
    }

    pub async fn tick_in(&self, around: Surroundings) -> bool {
        self.app.write_events().await;
        self.alerts.tick(&self.app.issuer, around).await.unwrap()
    }

    pub async fn open(&self) -> Vec<AlertRow> {
        alerts::unresolved(&self.app.issuer.store).await.unwrap()
    }

    /// Rule and target of each open alert, in order.
    pub async fn raised(&self) -> Vec<(String, String)> {
        let mut raised: Vec<_> = self
            .open()
            .await
            .into_iter()
            .map(|alert| (alert.rule, alert.target))
            .collect();
        raised.sort();
        raised
    }

    pub fn note(&self, happening: Happening) {
        self.app.issuer.events.note(happening, self.app.now());
    }

    pub async fn note_from(&self, address: &str, happening: Happening) {
        let request = CurrentRequest {
            request_id: "r".into(),
            trace_id: None,
            address: address.parse().unwrap(),
            device: DeviceClass::Desktop,
        };
        context::within(request, async { self.note(happening) }).await;
    }
}

pub fn failed_login(subject: Option<&str>) -> Happening {
    Happening::LoginFailed {
        reason: match subject {
            Some(_) => LoginFailure::WrongPassword,
            None => LoginFailure::UnknownAccount,
        },
        subject: subject.map(Subject::new),
        same_password_accounts: None,
    }
}

pub fn succeeded_login(subject: &str, known_device: bool, administrator: bool) -> Happening {
    Happening::LoginSucceeded {
        subject: Subject::new(subject),
        session_id: SessionId::new("s"),
        known_device,
        administrator,
    }
}

pub fn failed_client(client: Option<&str>) -> Happening {
    Happening::ClientAuthenticationFailed {
        client_id: client.map(ClientId::new),
        reason: match client {
            Some(_) => ClientAuthFailure::WrongSecret,
            None => ClientAuthFailure::UnknownClient,
        },
        presented: None,
        assertion: None,
    }
}

pub fn refresh_replayed(client: &str) -> Happening {
    Happening::RefreshReplayed {
        client_id: ClientId::new(client),
        subject: Subject::new("ada"),
        grant_id: FamilyId::new("g"),
    }
}

pub fn code_replayed(client: &str) -> Happening {
    Happening::CodeReplayed {
        client_id: ClientId::new(client),
        subject: Subject::new("ada"),
        grant_id: FamilyId::new("g"),
    }
}

pub fn decided(decision: Decision, reason: Option<&str>) -> Happening {
    Happening::AccessDecided {
        decision,
        reason: reason.map(str::to_owned),
        rule: None,
        missing: None,
        api: Some("orders".to_owned()),
        stage: None,
        call: None,
        connection: None,
        answer: None,
        method: Some("GET".to_owned()),
        route: Some("/orders/{id}".to_owned()),
        issuer: None,
        client_id: Some(ClientId::new("worker")),
        subject_digest: None,
        jti_digest: None,
        kid: None,
        jwks: None,
        config: None,
        us: None,
        shipped_by: None,
    }
}
