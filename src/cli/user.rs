//! `gatewright user`: people.

use super::args::{ConfigArgs, OutputArgs, claim, now};
use super::error::CliError;
use super::user_fields::{describe, nobody_administers, password_from_stdin, record};
use super::{open, out};
use crate::domain::{Account, Subject};
use crate::flows::admin::users::{self, Ended, NewUser, UserChange};
use crate::flows::admin::{Admin, administrators, passwords, user_sessions};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::process::ExitCode;

/// People read from the database at a time.
const PAGE: i64 = 200;

/// Commands on people. NAME is a user name, an address or a sub.
#[derive(Debug, clap::Subcommand)]
pub enum UserCommand {
    /// Create a person
    #[command(after_help = "Example:\n  \
        printf '%s' \"$PASSWORD\" | gatewright user create ada --email ada@example.com --password-stdin \\\n      \
        --claim name='\"Ada Lovelace\"'\n\n\
        A password is never an argument: those can be seen by everybody on the machine.")]
    Create(CreateArgs),
    /// List everybody
    List(OutputArgs),
    /// Show one person
    Show(NamedArgs),
    /// Change a person's name, address, claims, or whether they are an administrator
    #[command(after_help = "Examples:\n  \
        gatewright user update ada --email ada@example.org --email-verified\n  \
        gatewright user update ada --claim team='\"blue\"' --claim nickname=null\n\n\
        What isn't named stays as it is; --email '' removes the address. A new address counts as unverified\n\
        unless --email-verified is given.")]
    Update(UpdateArgs),
    /// Lock a person out: sessions and refresh tokens end at once
    Disable(NamedArgs),
    /// Let a disabled person log in again
    Enable(NamedArgs),
    /// Remove a person with sessions, consents and tokens
    Delete(NamedArgs),
    /// Set a password; sessions, codes and refresh tokens from before end
    #[command(
        after_help = "Example:\n  printf '%s' \"$PASSWORD\" | gatewright user set-password ada --password-stdin"
    )]
    SetPassword(SetPasswordArgs),
    /// List a person's browser sessions, or end them
    Sessions(SessionsArgs),
}

/// Arguments of `user create`.
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// The name to log in with
    #[arg(value_name = "NAME")]
    username: String,
    /// The address; may be logged in with, too
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Somebody made sure that the address is theirs
    #[arg(long)]
    email_verified: bool,
    /// They may see the activity of everybody at /admin/activity
    #[arg(long)]
    administrator: bool,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "no_password")]
    password_stdin: bool,
    /// Create the person without a password: nobody can log in until 'user set-password'
    #[arg(long)]
    no_password: bool,
    /// Profile or custom claim, the value as JSON; repeat for several
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    claims: Vec<(String, Value)>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `user update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// User name, address or sub
    #[arg(value_name = "NAME")]
    name: String,
    /// New name to log in with
    #[arg(long, value_name = "NEW")]
    username: Option<String>,
    /// New address; '' removes it
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Whether somebody made sure that the address is theirs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    email_verified: Option<bool>,
    /// Whether they may see the activity of everybody; a change ends their sessions
    #[arg(long, value_name = "BOOL")]
    administrator: Option<bool>,
    /// Claim to set, the value as JSON; null removes it; repeat for several
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    claims: Vec<(String, Value)>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `user set-password`.
#[derive(Debug, clap::Args)]
pub struct SetPasswordArgs {
    /// User name, address or sub
    #[arg(value_name = "NAME")]
    name: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `user sessions`.
#[derive(Debug, clap::Args)]
pub struct SessionsArgs {
    /// User name, address or sub
    #[arg(value_name = "NAME")]
    name: String,
    /// End one session
    #[arg(
        long,
        value_name = "ID",
        allow_hyphen_values = true,
        conflicts_with = "end_all"
    )]
    end: Option<String>,
    /// Sign the person out everywhere: end every session and every refresh token
    #[arg(long)]
    end_all: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// One person.
#[derive(Debug, clap::Args)]
pub struct NamedArgs {
    /// User name, address or sub
    #[arg(value_name = "NAME", allow_hyphen_values = true)]
    name: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on people.
pub async fn run(command: UserCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let config = config.load()?.config;
    // A password is asked for before anything is opened or made.
    let password = match &command {
        UserCommand::Create(args) if args.no_password => None,
        UserCommand::Create(CreateArgs { password_stdin, .. })
        | UserCommand::SetPassword(SetPasswordArgs { password_stdin, .. }) => {
            if !password_stdin {
                return Err(CliError::usage(needs_password(&command)));
            }
            Some(password_from_stdin()?)
        }
        _ => None,
    };
    let makes = matches!(command, UserCommand::Create(_));
    let opened = open::for_command(&config, makes).await?;
    let admin = opened.admin();
    match command {
        UserCommand::Create(args) => {
            let CreateArgs {
                username,
                email,
                email_verified,
                claims,
                administrator,
                output,
                ..
            } = args;
            let user = NewUser {
                username,
                email,
                email_verified,
                password,
                claims,
                administrator,
            };
            let account = users::create(admin, user, now()).await?;
            say(admin, "created", &account, None, output).await?;
        }
        UserCommand::SetPassword(args) => {
            if let Some(password) = &password {
                let (account, ended) = passwords::set(admin, &args.name, password, now()).await?;
                say(
                    admin,
                    "has a new password",
                    &account,
                    Some(ended),
                    args.output,
                )
                .await?;
            }
        }
        UserCommand::List(output) => list(admin, output.json).await?,
        UserCommand::Show(args) => {
            let account = users::find(admin, &args.name).await?;
            let administrator = administrators::is(admin, &account.subject).await?;
            if args.output.json {
                out::json(&record(&account, administrator))?;
            } else {
                out::print(&describe(&account, administrator))?;
            }
        }
        UserCommand::Update(args) => update(admin, args).await?,
        UserCommand::Disable(args) => {
            let (account, ended) = users::set_disabled(admin, &args.name, true, now()).await?;
            say(admin, "disabled", &account, Some(ended), args.output).await?;
        }
        UserCommand::Enable(args) => {
            let (account, _) = users::set_disabled(admin, &args.name, false, now()).await?;
            say(admin, "enabled", &account, None, args.output).await?;
        }
        UserCommand::Delete(args) => {
            let administrators = administrators::all(admin).await?;
            let subject = users::delete(admin, &args.name, now()).await?;
            if administrators == [subject.clone()] {
                nobody_administers();
            }
            if args.output.json {
                out::json(&json!({"sub": subject, "deleted": true}))?;
            } else {
                out::print(&format!("user {} deleted\n", args.name))?;
            }
        }
        UserCommand::Sessions(args) => sessions(admin, args, config.session.idle_s).await?,
    }
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn needs_password(command: &UserCommand) -> &'static str {
    if matches!(command, UserCommand::Create(_)) {
        "no password was given: pipe it in with --password-stdin, or give --no-password to set it later"
    } else {
        "no password was given: pipe it in with --password-stdin"
    }
}

async fn update(admin: Admin<'_>, args: UpdateArgs) -> Result<(), CliError> {
    let change = UserChange {
        username: args.username,
        email: args
            .email
            .map(|email| Some(email).filter(|email| !email.is_empty())),
        email_verified: args.email_verified,
        claims: args.claims,
    };
    let nothing = change == UserChange::default();
    if nothing && args.administrator.is_none() {
        return Err(open::nothing_to_change("user", "--email"));
    }
    let mut name = args.name;
    if !nothing {
        let account = users::update(admin, &name, &change, now()).await?;
        // By the name that it has from now on, whichever that is.
        account.subject.as_str().clone_into(&mut name);
    }
    let Some(administrator) = args.administrator else {
        let account = users::find(admin, &name).await?;
        return say(admin, "changed", &account, None, args.output).await;
    };
    let changed = administrators::set(admin, &name, administrator, now()).await?;
    let ended = Some(changed.ended);
    say(admin, "changed", &changed.account, ended, args.output).await?;
    if changed.none_left {
        nobody_administers();
    }
    Ok(())
}

async fn say(
    admin: Admin<'_>,
    what: &str,
    account: &Account,
    ended: Option<Ended>,
    output: OutputArgs,
) -> Result<(), CliError> {
    let administrator = administrators::is(admin, &account.subject).await?;
    if output.json {
        let mut value = record(account, administrator);
        if let (Value::Object(members), Some(ended)) = (&mut value, ended) {
            members.insert("sessions_ended".to_owned(), Value::from(ended.sessions));
            members.insert(
                "refresh_tokens_revoked".to_owned(),
                Value::from(ended.families),
            );
        }
        return out::json(&value);
    }
    let mut text = format!("user {} {what}\n", account.username);
    if let Some(Ended { sessions, families }) = ended {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{sessions} sessions ended, {families} refresh tokens revoked"
        );
    }
    out::print(&format!("{text}\n{}", describe(account, administrator)))
}

async fn list(admin: Admin<'_>, json: bool) -> Result<(), CliError> {
    let mut listing = out::Listing::begin(
        json,
        "users",
        "no users yet: make one with 'gatewright user create'",
    )?;
    let administrators: HashSet<Subject> = administrators::all(admin).await?.into_iter().collect();
    let mut after = String::new();
    loop {
        let page = users::page(admin, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.username);
        for account in &page {
            let administrator = administrators.contains(&account.subject);
            listing.entry(
                &record(account, administrator),
                &[
                    ("USER NAME", 24, account.username.clone()),
                    (
                        "EMAIL",
                        32,
                        account.email.clone().unwrap_or_else(|| "-".to_owned()),
                    ),
                    (
                        "STATE",
                        8,
                        if account.disabled {
                            "disabled"
                        } else {
                            "enabled"
                        }
                        .to_owned(),
                    ),
                    (
                        "ROLE",
                        13,
                        if administrator { "administrator" } else { "-" }.to_owned(),
                    ),
                    ("SUB", 22, account.subject.to_string()),
                ],
            )?;
        }
    }
    listing.end()
}

async fn sessions(admin: Admin<'_>, args: SessionsArgs, idle_s: i64) -> Result<(), CliError> {
    let json = args.output.json;
    if let Some(session_id) = &args.end {
        user_sessions::end(admin, &args.name, session_id, now()).await?;
        if json {
            return out::json(&json!({"session_id": session_id, "ended": true}));
        }
        return out::print(&format!("session {session_id} ended\n"));
    }
    if args.end_all {
        let Ended { sessions, families } = user_sessions::end_all(admin, &args.name, now()).await?;
        if json {
            return out::json(
                &json!({"sessions_ended": sessions, "refresh_tokens_revoked": families}),
            );
        }
        return out::print(&format!(
            "{sessions} sessions ended, {families} refresh tokens revoked\n"
        ));
    }
    let mut listing = out::Listing::begin(json, "sessions", "no sessions")?;
    for session in user_sessions::list(admin, &args.name, idle_s, now()).await? {
        listing.entry(
            &json!({
                "session_id": session.session_id,
                "auth_time": session.auth_time,
                "created_at": session.created_at,
                "last_seen_at": session.seen_at,
                "expires_at": session.expires_at,
            }),
            &[
                ("SESSION ID", 22, session.session_id.to_string()),
                ("BEGAN", 20, out::rfc3339(session.created_at)),
                ("LAST SEEN", 20, out::rfc3339(session.seen_at)),
                ("EXPIRES", 20, out::rfc3339(session.expires_at)),
            ],
        )?;
    }
    listing.end()
}
