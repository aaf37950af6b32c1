//! Attacks, a file each: what is tried, and exactly what comes of it.

mod cross_site_request;
mod page_injection;
mod steps;
