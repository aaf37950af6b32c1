//! The notifiers, as configured.

use crate::config::{AlertsConfig, Config};
use crate::crypto::webhook::WebhookSecret;
use crate::domain::alert::Rule;
use crate::flows::alerts::AlertSettings;
use crate::notify::Notifiers;
use crate::notify::email::{Email, MailServer};
use crate::notify::webhook::{Webhook, system_resolver};
use crate::private_files;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The shortest secret that signs messages, bytes.
const SECRET_MIN_BYTES: usize = 16;

/// What is wrong, and with which setting.
pub type Fault = (&'static str, String);

/// How alerts are raised.
pub fn settings(config: &AlertsConfig, notifiers: &Notifiers) -> AlertSettings {
    let limits = config.limits.named().into_iter();
    AlertSettings {
        every_s: config.every_s,
        quiet_s: config.quiet_s,
        unusual_times: config.unusual_times,
        limits: limits
            .filter_map(|(rule, limit)| Some((rule.parse::<Rule>().ok()?, limit)))
            .collect(),
        notifiers: notifiers.names(),
        runbooks: config.runbooks.clone(),
    }
}

/// The notifiers with their secrets.
///
/// # Errors
/// Everything that is wrong with what they need.
pub fn load(config: &Config) -> Result<Notifiers, Vec<Fault>> {
    let alerts = &config.alerts;
    let mut faults = Vec::new();
    let mut keep = |setting: &'static str, what: String| faults.push((setting, what));
    let ca = alerts
        .ca_file
        .as_deref()
        .and_then(|path| read(path).map_err(|what| keep("alerts.ca_file", what)).ok());
    let webhook = alerts.webhook_url.as_ref().and_then(|url| {
        webhook(alerts, url.expose(), ca.as_deref())
            .map_err(|(setting, what)| keep(setting, what))
            .ok()
    });
    let email = alerts.email_server.as_ref().and_then(|server| {
        email(alerts, server, ca.as_deref())
            .map_err(|(setting, what)| keep(setting, what))
            .ok()
    });
    if faults.is_empty() {
        Ok(Notifiers { webhook, email })
    } else {
        Err(faults)
    }
}

fn webhook(alerts: &AlertsConfig, url: &str, ca: Option<&str>) -> Result<Webhook, Fault> {
    let at = |setting: &'static str| move |what: String| (setting, what);
    let file = alerts
        .webhook_secret_file
        .as_deref()
        .unwrap_or(Path::new(""));
    let secret = secret(file).map_err(at("alerts.webhook_secret_file"))?;
    if secret.len() < SECRET_MIN_BYTES {
        return Err((
            "alerts.webhook_secret_file",
            format!(
                "{} holds fewer than {SECRET_MIN_BYTES} bytes: make a secret with `openssl rand -base64 32`",
                file.display()
            ),
        ));
    }
    Webhook::new(
        url,
        WebhookSecret::new(secret.as_bytes().to_vec()),
        alerts.outbound_allow.clone(),
        tls(ca).map_err(at("alerts.ca_file"))?,
        system_resolver(),
    )
    .map_err(at("alerts.webhook_url"))
}

fn email(alerts: &AlertsConfig, server: &str, ca: Option<&str>) -> Result<Email, Fault> {
    let at = |setting: &'static str| move |what: String| (setting, what);
    crate::notify::email::checked(server).map_err(at("alerts.email_server"))?;
    let login = match (&alerts.email_user, &alerts.email_password_file) {
        (Some(user), Some(file)) => {
            let password = secret(file).map_err(at("alerts.email_password_file"))?;
            Some((user.clone(), password))
        }
        _ => None,
    };
    let server = MailServer {
        url: server.to_owned(),
        login,
        ca: ca.map(str::to_owned),
    };
    let from = alerts.email_from.as_deref().unwrap_or_default();
    Email::new(&server, from, &alerts.email_to).map_err(at("alerts.email_from"))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        format!(
            "{} can't be read ({error}): check the path and its permissions",
            path.display()
        )
    })
}

fn secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let content = private_files::read(path).map_err(|fault| fault.to_string())?;
    Ok(Zeroizing::new(content.trim().to_owned()))
}

/// Certificates of the public authorities, and of one's own, are verified.
fn tls(ca: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let unusable =
        |why: String| format!("it can't be used ({why}): give certificates in a PEM file");
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(pem) = ca {
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
            added += 1;
        }
        if added == 0 {
            return Err(unusable("there is none in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_and_the_rules_agree() {
        let settings = settings(&AlertsConfig::default(), &Notifiers::default());
        let default = AlertSettings::default();
        assert_eq!(settings.limits.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert_eq!(settings.limit(*rule), default.limit(*rule), "{rule}");
        }
        assert_eq!(
            (settings.every_s, settings.quiet_s, settings.unusual_times),
            (default.every_s, default.quiet_s, default.unusual_times)
        );
        assert_eq!(settings.runbooks, default.runbooks);
    }
}
