//! Messages by email.

use crate::flows::alerts::message;
use gatewright_authorizer::outbound::Outbound;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use url::{Host, Url};
use zeroize::Zeroizing;

/// For the whole conversation with the mail server.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mail server and who is written to.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// How to reach the mail server.
pub struct MailServer {
    /// `smtps://HOST`, or `smtp://HOST` with STARTTLS; on this machine without.
    pub url: String,
    /// User and password.
    pub login: Option<(String, Zeroizing<String>)>,
    /// Whose certificates are believed. A proxy for https is no way for mail.
    pub outbound: Outbound,
}

impl Email {
    /// Mail from and to these addresses.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(server: &MailServer, from: &str, to: &[String]) -> Result<Self, String> {
        let mailbox = |text: &str| -> Result<Mailbox, String> {
            text.parse()
                .map_err(|_| format!("{text:?} is not a mail address, such as alerts@example.com"))
        };
        Ok(Self {
            transport: transport(server)?,
            from: mailbox(from)?,
            to: to
                .iter()
                .map(|text| mailbox(text))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Sends a message, once.
    ///
    /// # Errors
    /// Why it didn't arrive.
    pub async fn send(&self, message_id: &str, body: &Value, now: i64) -> Result<(), String> {
        let (subject, text) = message::words(body);
        let seconds = Duration::from_secs(u64::try_from(now).unwrap_or(0));
        let domain = self.from.email.domain();
        let mut mail = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .date(SystemTime::UNIX_EPOCH + seconds)
            .message_id(Some(format!("<{message_id}@{domain}>")))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mail = mail
            .body(text)
            .map_err(|error| format!("the mail can't be written ({error})"))?;
        match timeout(PATIENCE, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("the mail server didn't take it ({error})")),
            Err(_) => Err("the mail server gave no answer within 10 seconds".to_owned()),
        }
    }
}

fn transport(server: &MailServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let (implicit, host, port) = checked(&server.url)?;
    let tls = || -> Result<TlsParameters, String> {
        let mut tls = TlsParameters::builder(host.clone());
        let (certificates, in_place) = server.outbound.certificates();
        if in_place {
            tls = tls.certificate_store(CertificateStore::None);
        }
        for certificate in certificates {
            let certificate = Certificate::from_der(certificate.to_vec())
                .map_err(|error| format!("a certificate authority can't be used ({error})"))?;
            tls = tls.add_root_certificate(certificate);
        }
        tls.build()
            .map_err(|error| format!("TLS can't be used ({error})"))
    };
    let (tls, usual_port) = match (implicit, is_this_machine(&host)) {
        (true, _) => (Tls::Wrapper(tls()?), 465),
        (false, true) => (Tls::Opportunistic(tls()?), 25),
        (false, false) => (Tls::Required(tls()?), 587),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
        .port(port.unwrap_or(usual_port))
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let Some((user, password)) = &server.login {
        transport =
            transport.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
    }
    Ok(transport.build())
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether TLS comes first, the host, the port.
///
/// # Errors
/// What to write instead.
pub fn checked(url: &str) -> Result<(bool, String, Option<u16>), String> {
    let wrong = || {
        "must be smtps://HOST or smtp://HOST (STARTTLS), with :PORT where it's another than 465 and 587; user and \
         password have settings of their own"
            .to_owned()
    };
    let url: Url = url.parse().map_err(|_| wrong())?;
    let implicit = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(wrong()),
    };
    let nothing_else = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    let host = match url.host() {
        Some(Host::Domain(name)) if nothing_else => name.to_owned(),
        Some(Host::Ipv4(address)) if nothing_else => address.to_string(),
        Some(Host::Ipv6(address)) if nothing_else => address.to_string(),
        _ => return Err(wrong()),
    };
    Ok((implicit, host, url.port()))
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn a_mail_server_is_named_by_scheme_host_and_port_alone() {
        assert_eq!(
            checked("smtps://mail.example.com"),
            Ok((true, "mail.example.com".to_owned(), None))
        );
        assert_eq!(
            checked("smtp://127.0.0.1:2525"),
            Ok((false, "127.0.0.1".to_owned(), Some(2525)))
        );
        for wrong in [
            "mail.example.com",
            "https://mail.example.com",
            "smtp://user:password@mail.example.com",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com?tls=none",
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
