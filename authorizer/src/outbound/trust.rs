//! Whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_certs_from_paths;

use super::{CERT_DIR, CERT_FILE, Environment, OutboundError};

type Certificate = CertificateDer<'static>;

/// The public authorities, or what the environment names in their place; and those of the configuration.
#[derive(Clone)]
pub(super) struct Trust {
    /// `None` is the list of public authorities that is compiled in.
    in_place: Option<Vec<Certificate>>,
    own: Vec<Certificate>,
}

impl Trust {
    pub fn of(environment: &Environment) -> Result<Self, OutboundError> {
        let in_place = match (&environment.cert_file, environment.cert_dirs.as_slice()) {
            (None, []) => None,
            (file, dirs) => Some(named(file.as_deref(), dirs)?),
        };
        Ok(Self {
            in_place,
            own: Vec::new(),
        })
    }

    pub fn with_authority(&self, pem: &[u8]) -> Result<Self, OutboundError> {
        let unusable = |why: &str| {
            OutboundError(format!(
                "it can't be used ({why}): give certificates in a PEM file"
            ))
        };
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable(&error.to_string()))?;
        if certificates.is_empty() {
            return Err(unusable("there is none in it"));
        }
        let mut sound = RootCertStore::empty();
        for certificate in &certificates {
            sound
                .add(certificate.clone())
                .map_err(|error| unusable(&error.to_string()))?;
        }
        let mut trust = self.clone();
        trust.own.extend(certificates);
        Ok(trust)
    }

    pub fn certificates(&self) -> (Vec<&[u8]>, bool) {
        let given = self.in_place.iter().flatten().chain(&self.own);
        let given = given.map(|certificate| &certificate[..]).collect();
        (given, self.in_place.is_some())
    }

    pub fn client_config(&self) -> Result<ClientConfig, OutboundError> {
        let mut roots = RootCertStore::empty();
        if self.in_place.is_none() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        // What can't be read was refused, or told of, when it came.
        let given = self.in_place.iter().flatten().chain(&self.own).cloned();
        roots.add_parsable_certificates(given);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OutboundError(format!("TLS can't be set up: {error}")))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The certificates of a file and of folders. Some of a system's may be odd; without any nothing could be called.
fn named(
    file: Option<&Path>,
    dirs: &[impl AsRef<Path>],
) -> Result<Vec<Certificate>, OutboundError> {
    let mut loaded = load_certs_from_paths(file, None);
    for dir in dirs {
        let more = load_certs_from_paths(None, Some(dir.as_ref()));
        loaded.certs.extend(more.certs);
        loaded.errors.extend(more.errors);
    }
    let (sound, odd) =
        RootCertStore::empty().add_parsable_certificates(loaded.certs.iter().cloned());
    let first = loaded.errors.first().map(ToString::to_string);
    if sound == 0 {
        let why = first.unwrap_or_else(|| "there is none in it".to_owned());
        return Err(OutboundError(format!(
            "{CERT_FILE} or {CERT_DIR} names no certificate that can be used ({why}): correct or remove it"
        )));
    }
    if let Some(error) = first.or_else(|| (odd > 0).then(|| format!("{odd} are no sound ones"))) {
        tracing::warn!(
            error,
            certificates = sound,
            "some certificates of {CERT_FILE} and {CERT_DIR} can't be used"
        );
    }
    Ok(loaded.certs)
}
