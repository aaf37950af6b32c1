//! The files that the configuration names, read before anything is made.

use super::args::ConfigArgs;
use super::error::CliError;
use super::runtime;
use crate::config::{ConfigError, Loaded, MasterKeySource, Problem, master_key};
use crate::http::server::Tls;
use std::sync::Arc;

/// What a server reads of them.
pub struct Files {
    /// Certificate and key of the listener, where it speaks TLS.
    pub tls: Option<Arc<Tls>>,
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
    if let Some(MasterKeySource::File(_)) = &config.master_key
        && let Err(error) = master_key::resolve(config)
    {
        problems.push(loaded.problem("master_key_file", error.to_string()));
    }
    if let Some(file) = config.policy.file.as_deref()
        && let Err(what) = runtime::scopes(Some(file))
    {
        problems.push(loaded.problem("policy.file", what));
    }
    let mut tls = None;
    match config.tls.as_ref().map(Tls::load) {
        None => {}
        Some(Ok(pair)) => tls = Some(pair),
        Some(Err(error)) => problems.push(loaded.problem(error.setting(), error.to_string())),
    }
    if problems.is_empty() {
        Ok(Files { tls })
    } else {
        Err(ConfigError { problems })
    }
}
