//! Keys of an issuer that a company's own authority vouches for, or that are behind its proxy.

use super::proxy::Proxy;
use super::{AUDIENCE, ELSEWHERE, ISSUER, environment, server_of_keys};
use crate::alerts::servers::Pki;
use crate::support::database::TempDir;
use gatewright_authorizer::fetch::HttpKeys;
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::FetchKeys as _;
use gatewright_authorizer::outbound::{Environment, Outbound};
use gatewright_authorizer::policy::{IssuerRules, JwksRules, JwksUri};
use std::path::Path;

fn rules(uri: String, ca_file: Option<&str>) -> IssuerRules {
    IssuerRules {
        ca_file: ca_file.map(Into::into),
        jwks: JwksRules {
            uri: Some(JwksUri::At(uri)),
            timeout_ms: 10_000,
            ..JwksRules::default()
        },
        ..IssuerRules::new(ISSUER, vec![AUDIENCE.to_owned()], vec![Algorithm::Es256])
    }
}

/// What comes of fetching.
async fn fetched(
    rules: &IssuerRules,
    folder: &Path,
    environment: &Environment,
) -> Result<(), String> {
    let keys = HttpKeys::leaving(rules, folder, environment).map_err(|error| error.to_string())?;
    keys.fetch()
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn whose_certificate_is_believed_is_said_by_file_or_by_environment() {
    let (pki, folder) = (Pki::new(), TempDir::new());
    let (server, _) = server_of_keys(&pki).await;
    let uri = format!("https://localhost:{}/jwks.json", server.address.port());
    let authorities = folder.0.join("authorities");
    std::fs::create_dir(&authorities).unwrap();
    let write = |name: &str, pem: &str| std::fs::write(folder.0.join(name), pem).unwrap();
    write("ca.pem", &pki.ca_pem);
    write("other.pem", &Pki::new().ca_pem);
    // The form of a name that OpenSSL looks for.
    write("authorities/0a1b2c3d.0", &pki.ca_pem);
    let path = |name: &str| folder.0.join(name).display().to_string();

    let nothing = environment(&[]);
    let by_file = environment(&[("SSL_CERT_FILE", &path("ca.pem"))]);
    let by_folder = environment(&[("SSL_CERT_DIR", &path("authorities"))]);
    let by_another = environment(&[("SSL_CERT_FILE", &path("other.pem"))]);
    for (name, ca_file, environment, believed) in [
        ("nobody vouches", None, &nothing, false),
        ("ca_file", Some("ca.pem"), &nothing, true),
        ("another ca_file", Some("other.pem"), &nothing, false),
        ("SSL_CERT_FILE", None, &by_file, true),
        ("SSL_CERT_DIR", None, &by_folder, true),
        ("another SSL_CERT_FILE", None, &by_another, false),
        (
            "ca_file beside SSL_CERT_FILE",
            Some("ca.pem"),
            &by_another,
            true,
        ),
    ] {
        let outcome = fetched(&rules(uri.clone(), ca_file), &folder.0, environment).await;
        assert_eq!(outcome.is_ok(), believed, "{name}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.contains("certificate"), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn keys_are_fetched_through_the_proxy() {
    let (pki, folder) = (Pki::new(), TempDir::new());
    std::fs::write(folder.0.join("ca.pem"), &pki.ca_pem).unwrap();
    let (server, _) = server_of_keys(&pki).await;
    let proxy = Proxy::to(server.address).await;
    let rules = rules(format!("https://{ELSEWHERE}/jwks.json"), Some("ca.pem"));
    let through = environment(&[("HTTPS_PROXY", &proxy.url())]);
    fetched(&rules, &folder.0, &through).await.unwrap();
    assert!(
        proxy.asked()[0].starts_with("CONNECT receiver.example.com:443 "),
        "{:?}",
        proxy.asked()
    );

    let closed = Proxy::closed().await;
    let through = environment(&[("HTTPS_PROXY", &closed.url())]);
    let failed = fetched(&rules, &folder.0, &through).await.unwrap_err();
    assert!(
        failed.contains("HTTPS_PROXY") && !failed.contains("proxy-password"),
        "{failed}"
    );
}

#[tokio::test]
async fn this_machine_is_never_asked_of_a_proxy_and_http_proxy_is_not_read() {
    let (pki, folder) = (Pki::new(), TempDir::new());
    std::fs::write(folder.0.join("ca.pem"), &pki.ca_pem).unwrap();
    let (server, _) = server_of_keys(&pki).await;
    let closed = Proxy::closed().await;
    let here = rules(
        format!("https://localhost:{}/", server.address.port()),
        Some("ca.pem"),
    );
    let through = environment(&[("HTTPS_PROXY", &closed.url())]);
    fetched(&here, &folder.0, &through).await.unwrap();

    let elsewhere = rules(format!("https://{ELSEWHERE}/"), Some("ca.pem"));
    let url = closed.url();
    let others =
        ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, url.as_str()));
    fetched(&elsewhere, &folder.0, &environment(&others))
        .await
        .unwrap_err();
    assert_eq!(closed.asked().len(), 0);
}

#[test]
fn what_cannot_be_used_is_told_at_the_start_and_names_the_cause() {
    let folder = TempDir::new();
    std::fs::write(folder.0.join("empty.pem"), "no certificate").unwrap();
    let empty = folder.0.join("empty.pem").display().to_string();
    let told = |variables: &[(&str, &str)]| {
        Outbound::of(&environment(variables))
            .err()
            .unwrap()
            .to_string()
    };
    for variables in [
        [("SSL_CERT_FILE", "/nowhere/ca.pem")],
        [("SSL_CERT_FILE", empty.as_str())],
        [("SSL_CERT_DIR", "/nowhere")],
    ] {
        assert!(
            told(&variables).contains("SSL_CERT_FILE or SSL_CERT_DIR"),
            "{variables:?}"
        );
    }
    for proxy in [
        "socks5://user:hidden@127.0.0.1:1",
        "ftp://hidden",
        "http://",
        "://hidden",
    ] {
        let told = told(&[("HTTPS_PROXY", proxy)]);
        assert!(
            told.contains("HTTPS_PROXY") && !told.contains("hidden"),
            "{told}"
        );
    }
    let empty_says_nothing = environment(&[("HTTPS_PROXY", ""), ("SSL_CERT_FILE", "")]);
    assert!(Outbound::of(&empty_says_nothing).is_ok());

    let uri = "https://localhost:1/".to_owned();
    for (ca_file, cause) in [
        ("missing.pem", "correct `ca_file`"),
        ("empty.pem", "there is none in it"),
    ] {
        let error = HttpKeys::leaving(
            &rules(uri.clone(), Some(ca_file)),
            &folder.0,
            &environment(&[]),
        );
        let error = error.err().unwrap().to_string();
        assert!(
            error.contains(cause) && error.contains(ISSUER) && error.contains(ca_file),
            "{error}"
        );
    }
}
