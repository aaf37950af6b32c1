//! The files that the configuration names, read before anything is made.

use super::args::ConfigArgs;
use super::error::CliError;
use super::open::GivenKey;
use super::{notifiers, runtime};
use crate::config::{ConfigError, Loaded, Problem, master_key};
use crate::flows::scopes::ScopeDirectory;
use crate::http::server::Tls;
use crate::notify::Notifiers;
use std::sync::Arc;

/// What stood in them, so that nothing is read twice.
pub struct Files {
    /// The master key, where the configuration gives one.
    pub master_key: Option<GivenKey>,
    /// The scopes of the policy file.
    pub scopes: ScopeDirectory,
    /// Certificate and key of the listener, where it speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Who is told of alerts.
    pub notifiers: Notifiers,
}

/// Why the files can't be used.
pub struct Refused {
    /// Everything that is wrong with them.
    pub error: ConfigError,
    /// What is wrong with the policy file, if it is among them.
    pub policy: Option<String>,
}

impl From<Refused> for CliError {
    fn from(refused: Refused) -> Self {
        refused.error.into()
    }
}

/// The configuration with its files.
///
/// # Errors
/// [`CliError::Config`] with everything that is wrong with them.
pub fn load(config: &ConfigArgs) -> Result<(Loaded, Files), CliError> {
    let loaded = config.load()?;
    let files = read(&loaded)?;
    Ok((loaded, files))
}

/// The files of a configuration.
///
/// # Errors
/// [`Refused`]
pub fn read(loaded: &Loaded) -> Result<Files, Refused> {
    let config = &loaded.config;
    let mut problems: Vec<Problem> = Vec::new();
    let master_key = config.master_key.as_ref().and_then(|_| {
        master_key::resolve(config)
            .map_err(|error| problems.push(loaded.problem("master_key_file", error.to_string())))
            .ok()
    });
    let mut policy = None;
    let scopes = runtime::scopes(config.policy.file.as_deref()).unwrap_or_else(|what| {
        problems.push(loaded.problem("policy.file", what.clone()));
        policy = Some(what);
        ScopeDirectory::default()
    });
    let tls = config.tls.as_ref().and_then(|files| {
        Tls::load(files)
            .map_err(|error| problems.push(loaded.problem(error.setting(), error.to_string())))
            .ok()
    });
    let notifiers = notifiers::load(config).unwrap_or_else(|faults| {
        let told = faults.into_iter();
        problems.extend(told.map(|(setting, what)| loaded.problem(setting, what)));
        Notifiers::default()
    });
    if problems.is_empty() {
        Ok(Files {
            master_key,
            scopes,
            tls,
            notifiers,
        })
    } else {
        let error = ConfigError { problems };
        Err(Refused { error, policy })
    }
}
