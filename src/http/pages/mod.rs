//! The pages people see: what each one needs, its template, and the one stylesheet.
//!
//! Every page works without JavaScript and under `default-src 'none'; style-src 'self'; img-src 'self'`; only
//! [`FormPostPage`] carries a script, and it has a nonce. Values are escaped by the templates, and an address that
//! came from outside becomes a link only through `link`. Nothing here knows a store, a flow or a request.
//!
//! Templates live beside this file. Each struct names its template with `extends` and a path from the package root,
//! for askama's own search path would be a top-level `templates/`.

mod activity;
mod chart;
mod consent;
mod demo;
mod link;
mod notice;
mod sign_in;
mod sign_out;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod samples_admin;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use activity::{
    ActivityPage, AlertLine, Cell, ChartRow, ChartSection, EventLine, EventPage, EventsPage, Fact,
    KeyLine, RangeLink, Ranking, RankingLine, SeriesLine,
};
pub use chart::{number, stacked_bars};
pub use consent::{ConsentPage, ContinuePage, ScopeLine, describe_scope};
pub use demo::{ApiCallLine, ClaimLine, DemoLink, DemoResultPage, DemoStep, StartPage};
pub use link::destination;
pub use notice::{ErrorPage, FormPostPage, HomePage, ReturnPage};
pub use sign_in::{LoginError, LoginPage};
pub use sign_out::{LoggedOutPage, LogoutPage};

/// The stylesheet of every page. Serve as `text/css; charset=utf-8` at [`STYLESHEET_PATH`].
pub const STYLESHEET: &str = include_str!("assets/gatewright.css");

/// Where pages look for [`STYLESHEET`]. The path changes with the content, so a response may be cached for good
/// (`public, max-age=31536000, immutable`).
pub static STYLESHEET_PATH: LazyLock<String> = LazyLock::new(|| {
    format!(
        "/assets/gatewright-{:08x}.css",
        fnv1a(STYLESHEET.as_bytes())
    )
});

/// What the pages of administrators need besides. Serve as `text/css; charset=utf-8` at [`ADMIN_STYLESHEET_PATH`].
pub const ADMIN_STYLESHEET: &str = include_str!("assets/admin.css");

/// Where these pages look for [`ADMIN_STYLESHEET`]; it changes with the content, too.
pub static ADMIN_STYLESHEET_PATH: LazyLock<String> = LazyLock::new(|| {
    format!(
        "/assets/gatewright-admin-{:08x}.css",
        fnv1a(ADMIN_STYLESHEET.as_bytes())
    )
});

/// The icon of every page. Serve as `image/svg+xml` at [`FAVICON_PATH`].
pub const FAVICON: &str = include_str!("assets/favicon.svg");

/// Where pages look for [`FAVICON`].
pub const FAVICON_PATH: &str = "/assets/favicon.svg";

/// FNV-1a, 32 bits: tells one release's stylesheet from another's, which is no matter of security.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
