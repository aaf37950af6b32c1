//! Mail that a real conversation of SMTP brings.

use super::servers::{MailSink, Pki, Wire};
use super::support::{Watcher, refresh_replayed};
use crate::support::database::TempDir;
use crate::support::on_both_databases;
use gatewright::flows::alerts::{AlertSettings, message};
use gatewright::notify::Notifiers;
use gatewright::notify::email::{Email, MailServer};
use gatewright_authorizer::outbound::{Environment, Outbound};
use zeroize::Zeroizing;

fn email(server: MailServer) -> Email {
    let to = ["oncall@example.com", "Grace <grace@example.com>"].map(str::to_owned);
    Email::new(&server, "Gatewright <alerts@example.com>", &to).unwrap()
}

on_both_databases! {
    async fn an_alert_arrives_as_mail_that_a_person_can_read(app: TestApp) {
        let sink = MailSink::start(Wire::Plain).await;
        let url = format!("smtp://{}", sink.address);
        let notifiers = Notifiers {
            webhook: None,
            email: Some(email(MailServer { url, login: None, outbound: nobodys() })),
        };
        let settings = AlertSettings { notifiers: notifiers.names(), ..AlertSettings::default() };
        let watcher = Watcher::with(&app, settings);
        watcher.note_from("198.51.100.9", refresh_replayed("web")).await;
        watcher.tick().await;
        assert_eq!(notifiers.deliver(&app.issuer, app.now()).await.unwrap(), 1);
        let mail = sink.mail().await;
        for command in ["MAIL FROM:<alerts@example.com>", "RCPT TO:<oncall@example.com>", "RCPT TO:<grace@example.com>"] {
            assert!(mail.commands.iter().any(|said| said.starts_with(command)), "{:?}", mail.commands);
        }
        // Quoted-printable breaks long lines (RFC 2045 §6.7).
        let content = mail.content.replace("=\r\n", "");
        for part in [
            "Subject: [Gatewright] critical alert opened: refresh_replay\r\n",
            "From: Gatewright <alerts@example.com>\r\n",
            "(client web) within 60 minutes",
            "Addresses  198.51.100.9 (1)",
            "/docs/runbooks/refresh_replay.md",
        ] {
            assert!(content.contains(part), "{part}\n{content}");
        }
    }
}

#[tokio::test]
async fn a_mail_server_with_tls_is_given_user_and_password_and_one_without_trust_nothing() {
    let pki = Pki::new();
    let sink = MailSink::start(Wire::Tls(&pki)).await;
    let server = |ca| with_login(&format!("smtps://127.0.0.1:{}", sink.address.port()), ca);
    let body = message::test("https://id.example.com", 0);
    let refused = email(server(nobodys()))
        .send("m", &body, 0)
        .await
        .unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(!refused.contains("a mail password"));
    email(server(pki.outbound()))
        .send("m", &body, 0)
        .await
        .unwrap();
    let mail = sink.mail().await;
    assert!(
        mail.commands
            .iter()
            .any(|said| said.starts_with("AUTH PLAIN ")),
        "{:?}",
        mail.commands
    );
    assert!(mail.content.contains("This is a test"), "{}", mail.content);
    assert!(sink.mails.lock().unwrap().is_empty());
}

/// Only the public authorities are believed.
fn nobodys() -> Outbound {
    Outbound::of(&Environment::default()).unwrap()
}

/// The login of these tests, at a mail server at `host`.
fn with_login(host: &str, outbound: Outbound) -> MailServer {
    MailServer {
        url: host.to_owned(),
        login: Some((
            "gatewright".to_owned(),
            Zeroizing::new("a mail password".to_owned()),
        )),
        outbound,
    }
}

#[tokio::test]
async fn a_mail_server_elsewhere_that_offers_no_tls_is_told_nothing() {
    let sink = MailSink::start(Wire::Plain).await;
    // Not by one of its own names: to the program this could be any machine.
    let elsewhere = format!("smtp://127.1:{}", sink.address.port());
    let body = message::test("https://id.example.com", 0);
    let refused = email(with_login(&elsewhere, nobodys()))
        .send("m", &body, 0)
        .await
        .unwrap_err();
    assert!(refused.contains("STARTTLS"), "{refused}");
    let mail = sink.mail().await;
    let said: Vec<&str> = mail
        .commands
        .iter()
        .map(|said| said.split(' ').next().unwrap())
        .collect();
    assert!(
        said.iter().all(|verb| ["EHLO", "QUIT"].contains(verb)),
        "{said:?}"
    );
    assert_eq!(mail.content, "");
}

#[tokio::test]
async fn what_a_mail_server_offers_by_starttls_is_used_and_its_certificate_verified() {
    let pki = Pki::new();
    let sink = MailSink::start(Wire::StartTls(&pki)).await;
    let here = format!("smtp://127.0.0.1:{}", sink.address.port());
    let body = message::test("https://id.example.com", 0);
    let refused = email(with_login(&here, nobodys()))
        .send("m", &body, 0)
        .await
        .unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    let commands = sink.mail().await.commands;
    assert_eq!(commands.last().map(String::as_str), Some("STARTTLS"));
    email(with_login(&here, pki.outbound()))
        .send("m", &body, 0)
        .await
        .unwrap();
    let mail = sink.mail().await;
    let at = |verb: &str| mail.commands.iter().position(|said| said.starts_with(verb));
    assert!(
        at("STARTTLS").is_some() && at("STARTTLS") < at("AUTH"),
        "{:?}",
        mail.commands
    );
    assert!(mail.content.contains("This is a test"), "{}", mail.content);
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = MailServer {
        url,
        login: None,
        outbound: nobodys(),
    };
    let failed = email(server)
        .send("m", &message::test("https://id.example.com", 0), 0)
        .await
        .unwrap_err();
    assert!(
        failed.starts_with("the mail server didn't take it"),
        "{failed}"
    );
}

#[test]
fn addresses_that_are_none_are_refused() {
    let server = MailServer {
        url: "smtp://127.0.0.1".to_owned(),
        login: None,
        outbound: nobodys(),
    };
    for (from, to) in [("alerts", "a@example.com"), ("a@example.com", "on call")] {
        let refused = Email::new(&server, from, &[to.to_owned()]).err().unwrap();
        assert!(refused.contains("is not a mail address"), "{refused}");
    }
}

#[tokio::test]
async fn a_mail_server_is_believed_by_the_authorities_of_the_environment() {
    let pki = Pki::new();
    let folder = TempDir::new();
    let file = folder.0.join("ca.pem");
    std::fs::write(&file, &pki.ca_pem).unwrap();
    let said = |name: &str| (name == "SSL_CERT_FILE").then(|| file.clone().into());
    let outbound = Outbound::of(&Environment::read(said)).unwrap();
    let sink = MailSink::start(Wire::Tls(&pki)).await;
    let here = format!("smtps://127.0.0.1:{}", sink.address.port());
    let body = message::test("https://id.example.com", 0);
    email(with_login(&here, outbound))
        .send("m", &body, 0)
        .await
        .unwrap();
    let refused = email(with_login(&here, nobodys()))
        .send("m", &body, 0)
        .await;
    assert!(refused.unwrap_err().contains("certificate"));
}
