//! TLS: both protocols, ciphers, time-outs, and a certificate that changes.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::body::Body;
use gatewright::{
    config::{TlsConfig, TlsProfile},
    http::server::Tls,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::support::{Raw, SHORT, TestServer, echo};

struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("gatewright-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate_file: self.0.join("tls.crt"),
            key_file: self.0.join("tls.key"),
            profile: TlsProfile::Default,
        }
    }

    fn write(&self, pair: &Pair) {
        std::fs::write(self.0.join("tls.crt"), &pair.certificate_pem).unwrap();
        let key = self.0.join("tls.key");
        std::fs::write(&key, &pair.key_pem).unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

struct Pair {
    certificate_pem: String,
    key_pem: String,
    certificate: CertificateDer<'static>,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair {
        certificate_pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
        certificate: made.cert.der().clone(),
    }
}

async fn connect(
    server: &TestServer,
    trusted: &[&Pair],
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_with(server, trusted, protocol, &|_| true).await
}

/// With those ciphers only that `offers` has.
async fn connect_with(
    server: &TestServer,
    trusted: &[&Pair],
    protocol: &[u8],
    offers: &(dyn Fn(CipherSuite) -> bool + Sync),
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.certificate.clone()).unwrap();
    }
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| offers(suite.suite()));
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(server.addr).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

#[tokio::test]
async fn both_protocols_are_spoken_and_the_same_bytes_refused() {
    let (files, pair) = (Files::new("both"), pair());
    files.write(&pair);
    let tls = Tls::load(&files.config()).unwrap();
    let server = TestServer::start(echo(), |settings| settings.server.tls = Some(tls)).await;

    let mut client = Raw::new(connect(&server, &[&pair], b"http/1.1").await.unwrap());
    assert_eq!(client.get("/1").await.body, "/1 0");
    client.send("GET / HTTP/1.1\nHost: a\n\n").await;
    assert_eq!(client.answer().await.unwrap().status, 400);

    let stream = connect(&server, &[&pair], b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/2")
        .body(Body::empty())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_bad_one_refused() {
    let (files, old, new) = (Files::new("reload"), pair(), pair());
    files.write(&old);
    let tls = Tls::load(&files.config()).unwrap();
    let shared = Arc::clone(&tls);
    let server = TestServer::start(echo(), |settings| settings.server.tls = Some(shared)).await;
    let both = [&old, &new];
    let mut before = Raw::new(connect(&server, &both, b"http/1.1").await.unwrap());
    assert_eq!(shown(&before.io), old.certificate);

    // The key of one with the certificate of the other.
    std::fs::write(files.config().certificate_file, &new.certificate_pem).unwrap();
    assert!(tls.reload().is_err());
    std::fs::write(files.config().certificate_file, "nonsense").unwrap();
    assert!(tls.reload().is_err());
    files.write(&new);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(files.config().key_file, open).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::remove_file(files.config().key_file).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("tls."), "{error}");
    assert_eq!(
        shown(&connect(&server, &both, b"http/1.1").await.unwrap()),
        old.certificate
    );

    files.write(&new);
    tls.reload().unwrap();
    assert_eq!(
        shown(&connect(&server, &both, b"http/1.1").await.unwrap()),
        new.certificate
    );
    assert_eq!(
        before.get("/still").await.status,
        200,
        "open connections live on"
    );
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_cut() {
    let (files, pair) = (Files::new("silent"), pair());
    files.write(&pair);
    let tls = Tls::load(&files.config()).unwrap();
    let server = TestServer::start(echo(), |settings| {
        settings.server.tls = Some(tls);
        settings.server.header_timeout = SHORT;
    })
    .await;
    let mut silent = server.connect().await;
    assert_eq!(silent.closed().await, b"");
    let mut half = server.connect().await;
    half.send([0x16, 3, 1, 1, 0]).await;
    assert_eq!(half.closed().await, b"");
    let mut silent = Raw::new(connect(&server, &[&pair], b"http/1.1").await.unwrap());
    assert_eq!(silent.closed().await, b"");
}

#[tokio::test]
async fn under_fapi_tls_12_has_aes_gcm_only_and_tls_13_is_as_ever() {
    use CipherSuite as Suite;
    let pair = pair();
    for (profile, suite, is_spoken) in [
        (
            TlsProfile::Default,
            Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            true,
        ),
        (
            TlsProfile::Fapi,
            Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            false,
        ),
        (
            TlsProfile::Fapi,
            Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            true,
        ),
        (
            TlsProfile::Fapi,
            Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            true,
        ),
        (TlsProfile::Fapi, Suite::TLS13_AES_128_GCM_SHA256, true),
        (
            TlsProfile::Fapi,
            Suite::TLS13_CHACHA20_POLY1305_SHA256,
            true,
        ),
    ] {
        let files = Files::new("fapi");
        files.write(&pair);
        let tls = Tls::load(&TlsConfig {
            profile,
            ..files.config()
        })
        .unwrap();
        let server = TestServer::start(echo(), |settings| settings.server.tls = Some(tls)).await;
        let stream =
            connect_with(&server, &[&pair], b"http/1.1", &|offered| offered == suite).await;
        assert_eq!(stream.is_ok(), is_spoken, "{profile:?} {suite:?}");
        if let Ok(stream) = stream {
            assert_eq!(Raw::new(stream).get("/").await.status, 200);
        }
    }
}

#[tokio::test]
async fn half_a_handshake_counts_for_what_it_makes_tls_hold() {
    let (files, pair) = (Files::new("counts"), pair());
    files.write(&pair);
    let tls = Tls::load(&files.config()).unwrap();
    let server = TestServer::start(echo(), |settings| {
        settings.server.tls = Some(tls);
        settings.server.memory_bytes = 300_000;
    })
    .await;
    // A client hello that says it has 65,535 bytes, in records of 16,000.
    let mut message = vec![1, 0, 0xff, 0xff, 3, 3];
    message.resize(48_000, b'x');
    let records = message.chunks(16_000).flat_map(|piece| {
        let [high, low] = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1, high, low][..], piece].concat()
    });
    let records: Vec<_> = records.collect();
    let mut held = Vec::new();
    for _ in 0..6 {
        let mut half = server.connect().await;
        half.send(&records).await;
        held.push(half);
    }
    assert_eq!(held[0].closed().await, b"", "six of 75 KB don't fit");
    let mut client = Raw::new(connect(&server, &[&pair], b"http/1.1").await.unwrap());
    assert_eq!(client.get("/").await.status, 200);
}
