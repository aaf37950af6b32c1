//! TLS, with a certificate that can be replaced while running.

use std::{fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::config::{TlsConfig, TlsProfile};
use crate::private_files;

/// A session keeps at most so much that the socket doesn't take.
const UNSENT: usize = 16 * 1024;

/// A certificate or its key cannot be used: which file, and why.
#[derive(Debug)]
pub struct TlsError {
    setting: &'static str,
    path: PathBuf,
    what: String,
}

impl TlsError {
    fn certificate(files: &TlsConfig, what: impl fmt::Display) -> Self {
        Self {
            setting: "tls.certificate_file",
            path: files.certificate_file.clone(),
            what: what.to_string(),
        }
    }

    fn key(files: &TlsConfig, what: impl fmt::Display) -> Self {
        Self {
            setting: "tls.key_file",
            path: files.key_file.clone(),
            what: what.to_string(),
        }
    }

    /// The setting that names the file.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} can't be used ({}): give a PEM file that the server may read",
            self.path.display(),
            self.what
        )
    }
}

impl std::error::Error for TlsError {}

/// The TLS side of the listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
pub struct Tls {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    certificate: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// If one cannot be read, or they do not belong together.
    pub fn load(files: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(provider(files.profile));
        let pair = read_pair(files, &provider)?;
        let certificate = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::certificate(files, error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Arc::new(Self {
            files: files.clone(),
            provider,
            certificate,
            acceptor,
        }))
    }

    /// Reads both again. New handshakes get the new pair; a bad one is refused, and the old one stays.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<(), TlsError> {
        match read_pair(&self.files, &self.provider) {
            Ok(pair) => {
                self.certificate.0.store(Arc::new(pair));
                tracing::info!("the TLS certificate was read again");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the new TLS certificate is refused, the old one stays");
                Err(error)
            }
        }
    }

    pub(super) async fn accept<IO>(&self, stream: IO) -> std::io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let bounded =
            |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(UNSENT));
        self.acceptor.accept_with(stream, bounded).await
    }
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// FAPI 2.0 §5.2.1 has TLS 1.2 with ECDHE and AES-GCM only, and leaves TLS 1.3 as it is (RFC 9325 §4.2).
fn provider(profile: TlsProfile) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if profile == TlsProfile::Fapi {
        provider.cipher_suites.retain(|suite| {
            suite.version() == &rustls::version::TLS13
                || matches!(
                    suite.suite(),
                    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
                        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
                )
        });
    }
    provider
}

fn read_pair(files: &TlsConfig, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::certificate(files, error))?;
    if chain.is_empty() {
        return Err(TlsError::certificate(files, "it holds no certificate"));
    }
    let pem = private_files::read(&files.key_file).map_err(|fault| TlsError::key(files, fault))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| TlsError::key(files, error))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let certificate = files.certificate_file.display();
        TlsError::key(
            files,
            format_args!("it does not go with {certificate}: {error}"),
        )
    })
}
