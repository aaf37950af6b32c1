//! What the caller presents: a token or whole headers, and what proves that a bound token is its own.

use super::question::Question;
use crate::cli::args::read_file;
use crate::cli::error::CliError;
use gatewright_authorizer::{AccessToken, Credentials, Reason, Refused, Verifier};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest token or event that is read from standard input.
const INPUT_MAX_BYTES: u64 = 1024 * 1024;

/// Options that say what the caller presents.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who calls")]
pub(super) struct PresentedArgs {
    /// The access token
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// The file that holds the access token; '-' for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Claims instead of a token.
    #[arg(
        long,
        value_name = "JSON",
        help = "Claims as if a valid token had them; iss, aud, sub, client_id and times are made up where left out"
    )]
    pub claims: Option<String>,
    /// A header of the call.
    #[arg(
        long,
        short = 'H',
        value_name = "NAME: VALUE",
        help = "A header of the call, as for curl; those that count are Authorization and DPoP"
    )]
    header: Vec<String>,
    /// The DPoP proof that came with the token
    #[arg(long, value_name = "JWT", allow_hyphen_values = true, conflicts_with_all = ["claims", "header"])]
    proof: Option<String>,
    /// The URL of the call, which a DPoP proof must be for
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file with the client certificate (PEM) of the connection
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    certificate: Option<PathBuf>,
}

impl PresentedArgs {
    /// Verifies what is presented as the authorizer does.
    pub(super) async fn verify(
        &self,
        verifier: &Verifier,
        question: &Question,
        now: i64,
    ) -> Result<Result<AccessToken, Refused>, CliError> {
        let (authorization, proofs) = self.headers()?;
        let certificate = self.certificate.as_deref().map(read_file).transpose()?;
        if question.is_graphql() && (!proofs.is_empty() || certificate.is_some()) {
            return Err(CliError::usage(
                "AppSync's authorizer is shown neither proofs nor certificates: leave them out",
            ));
        }
        if *question == Question::Connect && !proofs.is_empty() {
            return Err(CliError::usage(
                "a WebSocket API doesn't tell the URL that a DPoP proof must be for: leave the proof out",
            ));
        }
        if !proofs.is_empty() && self.url.is_none() {
            return Err(CliError::usage(
                "a DPoP proof is for one URL: give the one that was called, with --url https://…",
            ));
        }
        let credentials = match Credentials::in_headers(&bytes(&authorization), &bytes(&proofs)) {
            Ok(credentials) => Credentials {
                method: question.method(),
                url: self.url.clone(),
                certificate: certificate.as_deref(),
                ..credentials
            },
            Err(reason) => return Ok(Err(reason.into())),
        };
        let verification = verifier.examine(&credentials, now).await;
        Ok(verification
            .verdict()
            .map(|token| AccessToken::clone(token)))
    }

    /// What would have the proof of a bound token judged too, where it was refused for want of one.
    pub(super) fn hint(&self, refused: Reason) -> Option<&'static str> {
        match refused {
            Reason::SenderConstrained | Reason::ProofMissing if self.proof.is_none() => Some(
                "give the DPoP proof of the call with --proof JWT --url URL to have it judged as well",
            ),
            Reason::CertificateMissing => Some(
                "give the client certificate of the call with --certificate FILE to have it judged as well",
            ),
            _ => None,
        }
    }

    /// The values of `Authorization` and of `DPoP`.
    fn headers(&self) -> Result<(Vec<String>, Vec<String>), CliError> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => Some(file_or_stdin(path, "token")?),
            (None, None) => None,
        };
        if let Some(token) = token {
            let scheme = if self.proof.is_some() {
                "DPoP"
            } else {
                "Bearer"
            };
            let authorization = vec![format!("{scheme} {}", token.trim())];
            return Ok((authorization, self.proof.iter().cloned().collect()));
        }
        let (mut authorization, mut proofs) = (Vec::new(), Vec::new());
        for header in &self.header {
            let Some((name, value)) = header.split_once(':') else {
                return Err(CliError::usage(format!(
                    "{:?} is no header: write it like 'Authorization: Bearer …'",
                    header.split(' ').next().unwrap_or_default()
                )));
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "authorization" => authorization.push(value.trim().to_owned()),
                "dpop" => proofs.push(value.trim().to_owned()),
                _ => {}
            }
        }
        Ok((authorization, proofs))
    }
}

fn bytes(values: &[String]) -> Vec<&[u8]> {
    values.iter().map(String::as_bytes).collect()
}

/// The text of a small file, or of standard input.
pub(super) fn file_or_stdin(path: &Path, what: &str) -> Result<String, CliError> {
    if path.as_os_str() != "-" {
        return read_file(path);
    }
    let mut text = String::new();
    let input = std::io::stdin().lock();
    let outcome = input.take(INPUT_MAX_BYTES).read_to_string(&mut text);
    outcome.map_err(|error| {
        CliError::usage(format!(
            "no {what} can be read from standard input: {error}"
        ))
    })?;
    Ok(text)
}
