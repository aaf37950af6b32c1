//! Arguments that several commands share.

use super::error::CliError;
use crate::config::{Config, Loaded};
use crate::private_files;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gatewright_authorizer::jose::Algorithm;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Where the configuration comes from: a file, then the environment, then these flags.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigArgs {
    /// TOML file with the settings.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help = "TOML file with the settings [env: GATEWRIGHT_CONFIG]"
    )]
    pub config: Option<PathBuf>,
    /// The database.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help = "sqlite://PATH or postgres://…; keep a password out of sight [env: GATEWRIGHT_DATABASE_URL]"
    )]
    pub database_url: Option<String>,
    /// Who issues the tokens, as clients see it.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help = "Who issues the tokens, as clients see it [env: GATEWRIGHT_ISSUER]"
    )]
    pub issuer: Option<String>,
    /// Address and port of the server.
    #[arg(
        long,
        value_name = "ADDRESS",
        global = true,
        help = "Address and port of the server [env: GATEWRIGHT_LISTEN]"
    )]
    pub listen: Option<String>,
}

/// For commands that have nothing to do with an issuer's configuration: its options are not theirs.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NoConfigArgs {
    #[arg(long, global = true, hide = true)]
    config: Option<PathBuf>,
    #[arg(long, global = true, hide = true)]
    database_url: Option<String>,
    #[arg(long, global = true, hide = true)]
    issuer: Option<String>,
    #[arg(long, global = true, hide = true)]
    listen: Option<String>,
}

impl ConfigArgs {
    /// Refuses what `command` would not heed.
    ///
    /// # Errors
    /// [`CliError::Usage`]
    pub fn refuse_for(&self, command: &str) -> Result<(), CliError> {
        if self.listen.is_some() {
            return Err(Self::refused(command, "--listen"));
        }
        self.refuse_all_but_listen(command)
    }

    /// The same for a command that has an address to listen on.
    ///
    /// # Errors
    /// [`CliError::Usage`]
    pub fn refuse_all_but_listen(&self, command: &str) -> Result<(), CliError> {
        let given = [
            ("--config", self.config.is_some()),
            ("--database-url", self.database_url.is_some()),
            ("--issuer", self.issuer.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => Err(Self::refused(command, option)),
        }
    }

    fn refused(command: &str, option: &str) -> CliError {
        CliError::usage(format!(
            "'{command}' doesn't take {option}: leave it out; see 'gatewright {command} --help'"
        ))
    }

    /// The effective configuration and where each value came from.
    ///
    /// # Errors
    /// [`CliError::Config`] with everything that is wrong.
    pub fn load(&self) -> Result<Loaded, CliError> {
        let given = [
            ("database.url", &self.database_url),
            ("issuer", &self.issuer),
            ("listen", &self.listen),
        ];
        let flags: Vec<(&str, String)> = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)))
            .collect();
        // A variable that isn't Unicode is nobody's setting of ours.
        let env = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Config::load(self.config.as_deref(), env, &flags)?)
    }
}

/// The settings of a server that isn't the issuer: from the issuer's variables of these sections, and from `flags`. In
/// traces it calls itself `service`, unless it's told another name.
///
/// # Errors
/// [`CliError::Config`] with everything that is wrong.
pub fn settings_of(
    service: &str,
    sections: &[&str],
    flags: &[(&str, String)],
) -> Result<Config, CliError> {
    let ours = |name: &str| {
        let section = name.strip_prefix("GATEWRIGHT_");
        section.is_some_and(|name| sections.iter().any(|section| name.starts_with(section)))
    };
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ours(name));
    let loaded = Config::load(None, env, flags)?;
    let mut config = loaded.config;
    if !loaded.provenance.contains_key("traces.service_name") {
        service.clone_into(&mut config.traces.service_name);
    }
    Ok(config)
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct OutputArgs {
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// A value of a domain type that is one of a few names.
pub fn one_of<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// An algorithm that tokens are signed with.
pub fn signing_algorithm() -> impl TypedValueParser<Value = Algorithm> {
    algorithm(&["ES256", "RS256", "EdDSA"])
}

/// An algorithm among these names.
pub fn algorithm(names: &'static [&'static str]) -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Algorithm>())
}

/// `name=JSON`.
///
/// # Errors
/// A sentence that shows how to quote.
pub fn claim(text: &str) -> Result<(String, Value), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("write NAME=JSON, such as --claim level=3".to_owned());
    };
    if let Ok(value) = serde_json::from_str(value) {
        return Ok((name.to_owned(), value));
    }
    let quoted = Value::from(value.trim_matches(['"', '\'']));
    Err(format!(
        "the value is not JSON; a text needs its double quotes inside the shell's single ones: \
         --claim {name}='{quoted}'"
    ))
}

/// An option's list; an empty text stands for an empty list.
pub fn list(given: Option<&Vec<String>>) -> Option<Vec<String>> {
    given.map(|values| {
        values
            .iter()
            .filter(|value| !value.is_empty())
            .cloned()
            .collect()
    })
}

/// Reads a small text file that an option names.
///
/// # Errors
/// [`CliError::Usage`] that names the file.
pub fn read_file(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!(
            "{} can't be read ({error}): check the path and its permissions",
            path.display()
        ))
    })
}

/// Reads a file with a secret that an option names, which must be ours alone.
///
/// # Errors
/// [`CliError::Usage`] that says how to mend it.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, CliError> {
    private_files::read(path).map_err(|fault| CliError::usage(fault.to_string()))
}

/// Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the clock enters here")]
pub fn now() -> i64 {
    gatewright_authorizer::fetch::unix_now()
}
