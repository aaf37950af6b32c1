//! `gatewright key`: signing keys.

use super::args::{ConfigArgs, OutputArgs, now, read_secret_file, signing_algorithm};
use super::error::CliError;
use super::{open, out};
use crate::flows::admin::keys;
use crate::flows::keys::{ALGORITHMS, PendingKey};
use crate::store::signing_keys::KeyRecord;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Commands on signing keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeyCommand {
    /// List the keys: pending, active, retiring
    List(ListArgs),
    /// Publish new keys, which begin to sign when every cache has had time to see them
    #[command(
        after_help = "A new key is published for twice keys.jwks_max_age_s before it signs, and the old one stays\n\
        published until the last token it signed has expired: no verifier sees a failure. While a key is pending,\n\
        that one is told and nothing is made, so the command may be run again.\n\n\
        A key has leaked? Rotate with --now, then take the old one out with 'gatewright key retire KID'."
    )]
    Rotate(RotateArgs),
    /// Take a pending or retiring key out of the JWKS at once: its tokens are refused from then on
    Retire(RetireArgs),
    /// Publish a private key that was made elsewhere
    #[command(
        after_help = "The file is PKCS#8 in PEM (BEGIN PRIVATE KEY), or PKCS#1 for RSA: P-256, Ed25519, or RSA of 2048\n\
        bits or more. The key is pending like a new one."
    )]
    Import(ImportArgs),
}

/// Arguments of `key list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Those that are gone, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `key rotate`.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// Only this algorithm [default: all three]
    #[arg(long, value_name = "ALG", value_parser = signing_algorithm())]
    alg: Option<Algorithm>,
    /// Sign with the new keys in two seconds: for a key that has leaked. Verifiers that cache the JWKS refuse
    /// the new tokens until they fetch it again
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `key retire`.
#[derive(Debug, clap::Args)]
pub struct RetireArgs {
    /// The key's id, as in 'key list'
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `key import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The private key, PEM
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on signing keys.
pub async fn run(command: KeyCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let config = config.load()?.config;
    let max_age_s = config.keys.jwks_max_age_s;
    let makes = matches!(command, KeyCommand::Rotate(_) | KeyCommand::Import(_));
    let opened = open::for_command(&config, makes).await?;
    let admin = opened.admin();
    match command {
        KeyCommand::List(args) => list(&keys::list(admin).await?, &args)?,
        KeyCommand::Rotate(args) => {
            let algorithms = args
                .alg
                .map_or_else(|| ALGORITHMS.to_vec(), |alg| vec![alg]);
            let max_age_s = if args.now { 0 } else { max_age_s };
            let made = keys::rotate(admin, &algorithms, max_age_s, now()).await?;
            say(&made, args.output)?;
        }
        KeyCommand::Import(args) => {
            let pem = read_secret_file(&args.file)?;
            let made = keys::import(admin, &pem, max_age_s, now()).await?;
            say(&[made], args.output)?;
        }
        KeyCommand::Retire(args) => {
            keys::retire(admin, &args.kid, now()).await?;
            if args.output.json {
                out::json(&json!({"kid": args.kid, "state": "gone"}))?;
            } else {
                out::print(&format!("key {} is out of the JWKS\n", args.kid))?;
            }
        }
    }
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn list(keys: &[KeyRecord], args: &ListArgs) -> Result<(), CliError> {
    let nothing =
        "no keys yet: 'gatewright serve' makes the first ones, or 'gatewright key rotate'";
    let mut listing = out::Listing::begin(args.output.json, "keys", nothing)?;
    for key in keys.iter().filter(|key| args.all || key.state != "gone") {
        listing.entry(
            &record(key),
            &[
                ("KID", 43, key.kid.clone()),
                ("ALG", 5, key.algorithm.clone()),
                ("STATE", 8, key.state.clone()),
                ("CREATED", 20, out::rfc3339(key.created_at)),
                ("ACTIVATES", 20, out::rfc3339(key.activates_at)),
                ("RETIRED", 20, out::rfc3339_or(key.retired_at, "-")),
                ("GONE", 20, out::rfc3339_or(key.gone_at, "-")),
            ],
        )?;
    }
    listing.end()
}

fn record(key: &KeyRecord) -> Value {
    json!({
        "kid": key.kid,
        "alg": key.algorithm,
        "state": key.state,
        "created": out::rfc3339(key.created_at),
        "created_at": key.created_at,
        "activates": out::rfc3339(key.activates_at),
        "activates_at": key.activates_at,
        "retires": key.retired_at.map(out::rfc3339),
        "retires_at": key.retired_at,
        "gone": key.gone_at.map(out::rfc3339),
        "gone_at": key.gone_at,
    })
}

fn say(keys: &[PendingKey], output: OutputArgs) -> Result<(), CliError> {
    if output.json {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| {
                json!({
                    "kid": key.kid,
                    "alg": key.algorithm.as_str(),
                    "state": "pending",
                    "activates": out::rfc3339(key.activates_at),
                    "activates_at": key.activates_at,
                    "created": key.created,
                })
            })
            .collect();
        return out::json(&json!({ "keys": keys }));
    }
    let mut text = String::new();
    for key in keys {
        let what = if key.created {
            "published"
        } else {
            "pending already"
        };
        let from = out::rfc3339(key.activates_at);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{} key {} {what}; it signs from {from}",
            key.algorithm, key.kid
        );
    }
    out::print(&text)
}
