//! Attacks, a file each: what is tried, and exactly what comes of it.

mod account_enumeration;
mod authorization_request;
mod cross_site_request;
mod forged_consent;
mod page_injection;
mod password_change;
mod password_guessing;
mod pkce_downgrade;
mod steps;
mod stolen_code;
