//! Attacks, a file each: what is tried, and exactly what comes of it.

mod account_enumeration;
mod authorization_request;
mod bound_token;
mod cross_site_request;
mod forced_logout;
mod forged_consent;
mod open_redirect;
mod page_injection;
mod password_change;
mod password_guessing;
mod pkce_downgrade;
mod redirect_uri;
mod session_fixation;
mod stale_sign_in;
mod steps;
mod stolen_code;
mod token_request;
