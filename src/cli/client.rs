//! `gatewright client`: applications.

use super::args::{ConfigArgs, OutputArgs, now};
use super::client_fields::{ClientFields, describe};
use super::client_secret::{self, SecretCommand};
use super::error::CliError;
use super::{open, out};
use crate::domain::Client;
use crate::domain::client::AuthMethod;

use crate::flows::admin::{Admin, ClientChange, client_secrets, clients};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Clients read from the database at a time.
const PAGE: i64 = 200;

/// Commands on applications.
#[derive(Debug, clap::Subcommand)]
pub enum ClientCommand {
    /// Register an application
    #[command(after_help = "Examples:\n  \
        gatewright client create web --type public --redirect-uri http://127.0.0.1:7000/cb \\\n      \
        --grant authorization_code --grant refresh_token --scope \"openid email offline_access\"\n  \
        gatewright client create worker --grant client_credentials --scope orders:read \\\n      \
        --audience https://api.example.com --json\n\n\
        The secret of a confidential client is printed once, and only its keyed digest is stored.")]
    Create(CreateArgs),
    /// List every application
    List(OutputArgs),
    /// Show one application and its secrets' ids
    Show(NamedArgs),
    /// Change an application; a list that is given replaces the whole list, '' empties it
    #[command(after_help = "Examples:\n  \
        gatewright client update web --redirect-uri https://a.example.com/cb --redirect-uri https://b.example.com/cb\n  \
        gatewright client update worker --audience ''\n\n\
        What isn't named stays as it is. --claim sets one claim and keeps the others; null removes it.")]
    Update(UpdateArgs),
    /// Refuse an application everything until it is enabled again
    Disable(NamedArgs),
    /// Let a disabled application work again
    Enable(NamedArgs),
    /// Remove an application with its secrets, consents and tokens
    Delete(NamedArgs),
    /// Add, list and revoke secrets: several may live, so a rotation needs no outage
    #[command(subcommand)]
    Secret(SecretCommand),
}

/// Arguments of `client create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// The client id: letters, digits, '-', '_' and '.'
    #[arg(value_name = "NAME")]
    client_id: String,
    #[command(flatten)]
    fields: ClientFields,
    /// End of its first secret, from now [default: never]
    #[arg(long, value_name = "SECONDS")]
    secret_expires_in: Option<i64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `client update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// The client id
    #[arg(value_name = "NAME")]
    client_id: String,
    #[command(flatten)]
    fields: ClientFields,
    #[command(flatten)]
    output: OutputArgs,
}

/// One application.
#[derive(Debug, clap::Args)]
pub struct NamedArgs {
    /// The client id
    #[arg(value_name = "NAME")]
    client_id: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on applications.
pub async fn run(command: ClientCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let config = config.load()?.config;
    let makes = matches!(command, ClientCommand::Create(_));
    let opened = open::for_command(&config, makes).await?;
    let admin = opened.admin();
    match command {
        ClientCommand::Create(args) => create(admin, args).await?,
        ClientCommand::List(output) => list(admin, output.json).await?,
        ClientCommand::Show(args) => show(admin, args).await?,
        ClientCommand::Update(args) => {
            let change = args.fields.change()?;
            if change == ClientChange::default() {
                return Err(open::nothing_to_change("client", "--scope"));
            }
            let client = clients::update(admin, &args.client_id, &change, now()).await?;
            say("changed", &client, args.output.json)?;
            note_missing_secret(admin, &client).await?;
        }
        ClientCommand::Disable(args) => {
            let client = clients::set_disabled(admin, &args.client_id, true, now()).await?;
            say("disabled", &client, args.output.json)?;
        }
        ClientCommand::Enable(args) => {
            let client = clients::set_disabled(admin, &args.client_id, false, now()).await?;
            say("enabled", &client, args.output.json)?;
        }
        ClientCommand::Delete(args) => {
            clients::delete(admin, &args.client_id, now()).await?;
            if args.output.json {
                out::json(&json!({"client_id": args.client_id, "deleted": true}))?;
            } else {
                out::print(&format!("client {} deleted\n", args.client_id))?;
            }
        }
        ClientCommand::Secret(command) => client_secret::run(admin, command).await?,
    }
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn create(admin: Admin<'_>, args: CreateArgs) -> Result<(), CliError> {
    let change = args.fields.change()?;
    let created = clients::create(
        admin,
        &args.client_id,
        &change,
        args.secret_expires_in,
        now(),
    )
    .await?;
    let client = &created.client;
    if args.output.json {
        let mut value = definition(client)?;
        if let (Value::Object(members), Some(secret)) = (&mut value, &created.secret) {
            client_secret::add_members(members, secret);
        }
        return out::json(&value);
    }
    let mut text = format!(
        "client {} created\n\n{}",
        client.client_id,
        describe(client)
    );
    if let Some(secret) = &created.secret {
        text.push('\n');
        text.push_str(&client_secret::describe(secret));
    }
    out::print(&text)
}

async fn list(admin: Admin<'_>, json: bool) -> Result<(), CliError> {
    let mut listing = out::Listing::begin(
        json,
        "clients",
        "no clients yet: make one with 'gatewright client create'",
    )?;
    let mut after = String::new();
    loop {
        let page = clients::page(admin, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        last.client_id.as_str().clone_into(&mut after);
        for client in &page {
            let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
            listing.entry(
                &definition(client)?,
                &[
                    ("CLIENT ID", 24, client.client_id.to_string()),
                    ("TYPE", 12, client.client_type.as_str().to_owned()),
                    (
                        "STATE",
                        8,
                        if client.disabled {
                            "disabled"
                        } else {
                            "enabled"
                        }
                        .to_owned(),
                    ),
                    ("GRANTS", 32, grants.join(" ")),
                    ("NAME", 0, client.name.clone()),
                ],
            )?;
        }
    }
    listing.end()
}

async fn show(admin: Admin<'_>, args: NamedArgs) -> Result<(), CliError> {
    let client = clients::find(admin, &args.client_id).await?;
    let secrets = client_secrets::list(admin, &args.client_id).await?;
    let now = now();
    if args.output.json {
        let mut value = definition(&client)?;
        if let Value::Object(members) = &mut value {
            let secrets = secrets
                .iter()
                .map(|secret| client_secret::record(secret, now));
            members.insert("secrets".to_owned(), secrets.collect());
        }
        return out::json(&value);
    }
    out::print(&describe(&client))?;
    if !secrets.is_empty() {
        out::print("\n")?;
        client_secret::print_list(&secrets, false, now)?;
    }
    Ok(())
}

fn definition(client: &Client) -> Result<Value, CliError> {
    serde_json::to_value(client)
        .map_err(|error| CliError::Failed(format!("the client can't be printed: {error}")))
}

fn say(what: &str, client: &Client, json: bool) -> Result<(), CliError> {
    if json {
        out::json(&definition(client)?)
    } else {
        out::print(&format!(
            "client {} {what}\n\n{}",
            client.client_id,
            describe(client)
        ))
    }
}

/// A client that now authenticates by secret may have none.
async fn note_missing_secret(admin: Admin<'_>, client: &Client) -> Result<(), CliError> {
    let by_secret = !matches!(
        client.auth_method,
        AuthMethod::None | AuthMethod::PrivateKeyJwt
    );
    if by_secret
        && client_secrets::list(admin, client.client_id.as_str())
            .await?
            .is_empty()
    {
        out::note(format_args!(
            "it has no secret yet: make one with 'gatewright client secret add {}'",
            client.client_id
        ));
    }
    Ok(())
}
