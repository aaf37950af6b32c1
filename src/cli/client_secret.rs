//! `gatewright client secret`.

use super::args::{OutputArgs, now};
use super::error::CliError;
use super::out;
use crate::flows::admin::Admin;
use crate::flows::admin::client_secrets::{self, NewSecret};
use crate::store::clients::ClientSecretRecord;
use serde_json::{Map, Value, json};

/// Commands on a client's secrets.
#[derive(Debug, clap::Subcommand)]
pub enum SecretCommand {
    /// Make another secret; those that there are stay live
    #[command(after_help = "A rotation without an outage:\n  \
        gatewright client secret add worker          # give the new secret to the application\n  \
        gatewright client secret list worker         # see by its last use that the old one is idle\n  \
        gatewright client secret revoke worker ID")]
    Add(AddArgs),
    /// List ids, ends and last uses
    List(ListArgs),
    /// Make a secret useless at once
    Revoke(RevokeArgs),
}

/// Arguments of `client secret add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// The client id
    #[arg(value_name = "NAME")]
    client_id: String,
    /// End of the secret, from now [default: never]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<i64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `client secret list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// The client id
    #[arg(value_name = "NAME")]
    client_id: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `client secret revoke`.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The client id
    #[arg(value_name = "NAME")]
    client_id: String,
    /// The secret's id, as in 'client secret list'
    #[arg(value_name = "ID")]
    secret_id: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on a client's secrets.
pub async fn run(admin: Admin<'_>, command: SecretCommand) -> Result<(), CliError> {
    match command {
        SecretCommand::Add(args) => {
            let secret =
                client_secrets::add(admin, &args.client_id, args.expires_in, now()).await?;
            if !args.output.json {
                return out::print(&describe(&secret));
            }
            let mut members =
                Map::from_iter([("client_id".to_owned(), Value::from(args.client_id))]);
            add_members(&mut members, &secret);
            out::json(&Value::Object(members))
        }
        SecretCommand::List(args) => {
            let secrets = client_secrets::list(admin, &args.client_id).await?;
            print_list(&secrets, args.output.json, now())
        }
        SecretCommand::Revoke(args) => {
            let left =
                client_secrets::revoke(admin, &args.client_id, &args.secret_id, now()).await?;
            if left == 0 {
                out::note(format_args!(
                    "client {} has no live secret left: make one with 'gatewright client secret add {}'",
                    args.client_id, args.client_id
                ));
            }
            if args.output.json {
                return out::json(&json!({
                    "client_id": args.client_id, "secret_id": args.secret_id, "revoked": true, "live_secrets": left,
                }));
            }
            out::print(&format!("secret {} revoked\n", args.secret_id))
        }
    }
}

/// Adds a new secret to a JSON object: the one place where it is printed as JSON.
pub fn add_members(members: &mut Map<String, Value>, new: &NewSecret) {
    members.insert("client_secret".to_owned(), Value::from(new.secret.expose()));
    members.insert("secret_id".to_owned(), Value::from(new.secret_id.as_str()));
    members.insert("secret_expires_at".to_owned(), Value::from(new.expires_at));
}

/// A new secret for people.
pub fn describe(new: &NewSecret) -> String {
    let rows = out::details(&[
        ("client secret", new.secret.expose().to_owned()),
        ("secret id", new.secret_id.clone()),
        ("expires", out::rfc3339_or(new.expires_at, "never")),
    ]);
    format!("{rows}\nKeep the secret now: it is not shown again.\n")
}

/// A stored secret as JSON: everything but the secret, which nobody has.
pub fn record(secret: &ClientSecretRecord, now: i64) -> Value {
    json!({
        "secret_id": secret.secret_id,
        "state": state(secret, now),
        "created_at": secret.created_at,
        "expires_at": secret.expires_at,
        "last_used_at": secret.last_used_at,
    })
}

fn state(secret: &ClientSecretRecord, now: i64) -> &'static str {
    if secret.expires_at.is_none_or(|end| end > now) {
        "live"
    } else {
        "expired"
    }
}

/// Prints a client's secrets.
pub fn print_list(secrets: &[ClientSecretRecord], json: bool, now: i64) -> Result<(), CliError> {
    let mut listing = out::Listing::begin(json, "secrets", "no secrets")?;
    for secret in secrets {
        listing.entry(
            &record(secret, now),
            &[
                ("SECRET ID", 26, secret.secret_id.clone()),
                ("STATE", 7, state(secret, now).to_owned()),
                ("CREATED", 20, out::rfc3339(secret.created_at)),
                ("EXPIRES", 20, out::rfc3339_or(secret.expires_at, "never")),
                (
                    "LAST USED",
                    20,
                    out::rfc3339_or(secret.last_used_at, "never"),
                ),
            ],
        )?;
    }
    listing.end()
}
