//! The notifiers, as configured.

use crate::config::{AlertsConfig, Config};
use crate::crypto::webhook::WebhookSecret;
use crate::domain::alert::Rule;
use crate::flows::alerts::AlertSettings;
use crate::notify::Notifiers;
use crate::notify::email::{Email, MailServer};
use crate::notify::webhook::{Webhook, system_resolver};
use crate::private_files;
use gatewright_authorizer::outbound::{Environment, Outbound};
use std::path::Path;
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
    if alerts.webhook_url.is_none() && alerts.email_server.is_none() && alerts.ca_file.is_none() {
        return Ok(Notifiers::default());
    }
    // With the usual authorities in place of what can't be used, the other faults are found as well.
    let usable = match outbound(alerts.ca_file.as_deref()) {
        Ok(outbound) => Some(outbound),
        Err((setting, what)) => {
            keep(setting, what);
            Outbound::of(&Environment::default()).ok()
        }
    };
    let webhook_url = alerts.webhook_url.as_ref().zip(usable.clone());
    let webhook = webhook_url.and_then(|(url, outbound)| {
        webhook(alerts, url.expose(), outbound)
            .map_err(|(setting, what)| keep(setting, what))
            .ok()
    });
    let email_server = alerts.email_server.as_ref().zip(usable);
    let email = email_server.and_then(|(server, outbound)| {
        email(alerts, server, outbound)
            .map_err(|(setting, what)| keep(setting, what))
            .ok()
    });
    if faults.is_empty() {
        Ok(Notifiers { webhook, email })
    } else {
        Err(faults)
    }
}

fn webhook(alerts: &AlertsConfig, url: &str, outbound: Outbound) -> Result<Webhook, Fault> {
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
        outbound,
        system_resolver(),
    )
    .map_err(at("alerts.webhook_url"))
}

fn email(alerts: &AlertsConfig, server: &str, outbound: Outbound) -> Result<Email, Fault> {
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
        outbound,
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

/// As the environment says, and with the certificate authority of one's own.
fn outbound(ca_file: Option<&Path>) -> Result<Outbound, Fault> {
    let outbound = Outbound::of(&Environment::of_process())
        .map_err(|error| ("the environment", error.to_string()))?;
    let Some(path) = ca_file else {
        return Ok(outbound);
    };
    let at = |what: String| ("alerts.ca_file", what);
    let pem = read(path).map_err(at)?;
    outbound
        .with_authority(pem.as_bytes())
        .map_err(|error| at(error.to_string()))
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
