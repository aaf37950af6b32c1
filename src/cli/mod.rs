//! The commands, one file each.
//!
//! Owns arguments, printing and exit codes: 0 done, 2 wrong usage or configuration, 1 anything else. Results and
//! secrets go to standard output, everything else to standard error. What is decided is decided in `flows`.

mod alerting;
mod alerts;
pub mod args;
mod authorizer;
mod client;
mod client_fields;
mod client_secret;
mod config;
pub mod demo;
mod doctor;
pub mod error;
mod events;
pub mod explain;
mod files;
mod gateway;
mod key;
pub mod metrics;
mod migrate;
mod notifiers;
pub mod open;
pub mod out;
mod policy;
mod policy_refused;
pub mod runtime;
pub mod serve;
mod shipping;
mod upkeep;
mod user;
mod user_fields;

pub use args::ConfigArgs;
pub use error::CliError;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Gatewright: people log in, machines fetch tokens, APIs check them.
#[derive(Debug, Parser)]
#[command(
    name = "gatewright",
    version,
    about = "An OAuth 2.0 and OpenID Connect identity server",
    long_about = "An OAuth 2.0 and OpenID Connect identity server with its own API Gateway authorizer.\n\n\
        New here? Run 'gatewright demo'. To run it for real: 'gatewright serve', then create users and clients\n\
        with 'gatewright user create' and 'gatewright client create'; a running server sees them at once.",
    after_help = "Exit codes: 0 done, 2 wrong usage or configuration, 1 anything else.",
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try everything on this machine: issuer, sample API, users and clients made up for the run
    Demo(demo::DemoArgs),
    /// Run the issuer
    Serve(serve::ServeArgs),
    /// Guard any API on this machine as API Gateway would
    Gateway(Box<gateway::GatewayArgs>),
    /// Bring the database up to this version
    Migrate(migrate::MigrateArgs),
    /// Register and change applications
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Create and change people
    #[command(subcommand)]
    User(user::UserCommand),
    /// See, rotate and bring in signing keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// See what happened, and whether the record of it is intact
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// See what is wrong, take notice of it, and try whether messages arrive
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Say in plain words what became of a request, and what would make it work
    Explain(explain::ExplainArgs),
    /// Check a policy file, or explain what it decides
    Policy(policy::PolicyArgs),
    /// Guard what is behind a proxy: nginx, haproxy, Traefik, Caddy, Envoy, Apache
    Authorizer(authorizer::AuthorizerArgs),
    /// Check or show the effective configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Find out what is wrong with this installation
    Doctor(doctor::DoctorArgs),
}

/// Runs the program on its arguments.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => {
            // A reader that has gone is no failure.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

impl Cli {
    /// Runs the command and says on standard error why it failed, if it did.
    pub fn run(self) -> ExitCode {
        match self.dispatch() {
            Ok(code) => code,
            Err(CliError::OutputClosed) => ExitCode::SUCCESS,
            Err(failure) => {
                out::error(&failure);
                ExitCode::from(failure.exit_code())
            }
        }
    }

    fn dispatch(self) -> Result<ExitCode, CliError> {
        let config = &self.config;
        match self.command {
            Command::Demo(args) => {
                config.refuse_for("demo")?;
                demo::run(&args)
            }
            Command::Serve(args) => serve::run(&args, config),
            Command::Gateway(args) => gateway::run(&args, config),
            Command::Migrate(args) => block_on(migrate::run(&args, config)),
            Command::Client(command) => block_on(client::run(command, config)),
            Command::User(command) => block_on(user::run(command, config)),
            Command::Key(command) => block_on(key::run(command, config)),
            Command::Events(command) => block_on(events::run(command, config)),
            Command::Alerts(command) => block_on(alerts::run(command, config)),
            Command::Explain(args) => block_on(explain::run(&args, config)),
            Command::Policy(args) => {
                config.refuse_for("policy")?;
                block_on(policy::run(args.command))
            }
            Command::Authorizer(args) => authorizer::run(&args, config),
            Command::Config(command) => config::run(&command, config),
            Command::Doctor(args) => block_on(doctor::run(&args, config)),
        }
    }
}

/// Runs a command on this thread.
fn block_on(work: impl Future<Output = Result<ExitCode, CliError>>) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            CliError::Failed(format!(
                "no runtime can be started ({error}): check the limits on threads and files"
            ))
        })?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
