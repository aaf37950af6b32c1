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

/// The configuration with its files.
///
/// # Errors
/// [`CliError::Config`] with everything that is wrong with them.
pub fn load(config: &ConfigArgs) -> Result<(Loaded, Files), CliError> {
    let loaded = config.load()?;
    let files = read(&loaded)?;
    Ok((loaded, files))
}

fn read(loaded: &Loaded) -> Result<Files, ConfigError> {
    let config = &loaded.config;
    let mut problems: Vec<Problem> = Vec::new();
    let master_key = config.master_key.as_ref().and_then(|_| {
        master_key::resolve(config)
            .map_err(|error| problems.push(loaded.problem("master_key_file", error.to_string())))
            .ok()
    });
    let scopes = runtime::scopes(config.policy.file.as_deref())
        .map_err(|what| problems.push(loaded.problem("policy.file", what)))
        .unwrap_or_default();
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
        Err(ConfigError { problems })
    }
}
