//! The harness: an app in-process on either database, a movable clock, browsers with cookie jars.

pub mod administration;
pub mod app;
pub mod browser;
pub mod database;
pub mod fixtures;
pub mod postgres;

pub use app::{Answer, TestApp};
pub use browser::Browser;

/// Declares one test that runs on SQLite and on PostgreSQL, each on a database of its own.
///
/// On a machine without PostgreSQL that half says so and passes; with `GATEWRIGHT_TEST_ALL=1` it fails.
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn claim($app: $crate::support::TestApp) $body

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    claim($crate::support::TestApp::sqlite().await).await;
                }

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    if let Some(app) = $crate::support::TestApp::postgres().await {
                        claim(app).await;
                    }
                }
            }
        )+
    };
}
pub(crate) use on_both_databases;
