//! Alerts of everything that happened, told in every way that there is.

use crate::alerts::servers::{MailSink, Pki, Receiver, Wire, answer};
use crate::alerts::support::Watcher;
use crate::support::TestApp;
use gatewright::config::network;
use gatewright::crypto::webhook::WebhookSecret;
use gatewright::domain::alert::Rule;
use gatewright::flows::alerts::AlertSettings;
use gatewright::notify::Notifiers;
use gatewright::notify::email::{Email, MailServer};
use gatewright::notify::webhook::{Webhook, system_resolver};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

pub const WEBHOOK_SECRET: &str = "canary-webhook-secret-7f3a";
pub const WEBHOOK_PATH: &str = "canary-webhook-path-7f3a";
pub const MAIL_PASSWORD: &str = "canary-mail-password-7f3a";

/// Raises an alert of each thing that happened, however seldom, and has them delivered: the first message by webhook only
/// at the second try. Returns what was sent.
pub async fn raised(app: &TestApp) -> Vec<(String, String)> {
    let pki = Pki::new();
    let failing = answer("500 Internal Server Error", "");
    let receiver = Receiver::start(&pki, vec![failing, answer("200 OK", "")]).await;
    let url = format!(
        "https://localhost:{}/{WEBHOOK_PATH}",
        receiver.address.port()
    );
    let allowed = ["127.0.0.1", "::1"]
        .map(|net| network(net).unwrap())
        .to_vec();
    let secret = WebhookSecret::new(WEBHOOK_SECRET.as_bytes().to_vec());
    let webhook = Webhook::new(&url, secret, allowed, pki.outbound(), system_resolver()).unwrap();
    let sink = MailSink::start(Wire::Tls(&pki)).await;
    let server = MailServer {
        url: format!("smtps://127.0.0.1:{}", sink.address.port()),
        login: Some((
            "gatewright".to_owned(),
            Zeroizing::new(MAIL_PASSWORD.to_owned()),
        )),
        outbound: pki.outbound(),
    };
    let email = Email::new(
        &server,
        "alerts@example.com",
        &["oncall@example.com".to_owned()],
    );
    let notifiers = Notifiers {
        webhook: Some(webhook),
        email: Some(email.unwrap()),
    };
    let limits = Rule::ALL.iter().map(|rule| (*rule, 1)).collect();
    let settings = AlertSettings {
        limits,
        notifiers: notifiers.names(),
        ..AlertSettings::default()
    };
    let watcher = Watcher::with(app, settings);
    watcher.tick().await;
    let raised: BTreeSet<String> = watcher
        .raised()
        .await
        .into_iter()
        .map(|(rule, _)| rule)
        .collect();
    for rule in [
        "login_failures",
        "login_failures_account",
        "client_secret_guessing",
        "code_replay",
        "refresh_replay",
    ] {
        assert!(raised.contains(rule), "{rule} is not in {raised:?}");
    }
    let mut delivered = 0;
    for _ in 0..10 {
        delivered += notifiers.deliver(&app.issuer, app.now()).await.unwrap();
        app.advance(10);
    }
    assert!(delivered >= 2 * raised.len(), "{delivered} for {raised:?}");
    assert_eq!(app.recorded("notifier_failed").await.len(), 1);
    let told = receiver.received();
    let mails = sink.mails.lock().unwrap().clone();
    assert!(told.len() > raised.len() && mails.len() >= raised.len());
    let mut sent = Vec::new();
    for message in told {
        // The first line is where it is sent to.
        let (_, headers) = message.head.split_once("\r\n").unwrap();
        sent.push((
            "a message by webhook".to_owned(),
            format!("{headers}{}", message.body),
        ));
    }
    for mail in mails {
        // Quoted-printable breaks long lines (RFC 2045 §6.7).
        sent.push(("a mail".to_owned(), mail.content.replace("=\r\n", "")));
    }
    sent
}
