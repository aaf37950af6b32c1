//! Secrets stay out of everything that tells what happened: the log, the spans, the database, metrics, alerts and their
//! messages, what commands print, the explanations, the pages and the API of administrators (security case 117). Addresses
//! stay out of it as far as `events.addresses` says. How a line is escaped is tested beside the code that writes lines, and
//! what a collector gets with the traces.

mod alarm;
mod canaries;
mod live;
mod places;

use crate::support::TestApp;
use crate::support::app::Options;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use canaries::{Canaries, Everything};
use gatewright::flows::events::{AddressPrivacy, EventSettings};
use tracing_subscriber::layer::SubscriberExt;

/// Where callers of test apps are.
const ADDRESS: &str = "203.0.113.7";

fn options(addresses: AddressPrivacy) -> Options {
    Options {
        events: EventSettings {
            addresses,
            ..EventSettings::default()
        },
        traces: true,
        ..Options::default()
    }
}

/// Everything that tells of what happened, by its place; each canary is in none.
async fn told(app: &TestApp) -> (Canaries, Vec<(String, String)>) {
    let log = Everything::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    // While there is one subscriber only, a line that another thread logs first counts as wanted by nobody.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let listening = tracing::subscriber::set_default(subscriber);
    let mut canaries = live::live(app).await;
    for (name, secret) in [
        ("webhook's secret", alarm::WEBHOOK_SECRET),
        ("webhook's URL", alarm::WEBHOOK_PATH),
        ("mail server's password", alarm::MAIL_PASSWORD),
    ] {
        canaries.add(name, secret);
    }
    let mut places = alarm::raised(app).await;
    let (browser, token, shown) = places::shown(app).await;
    places.extend(shown);
    canaries.add("administrator's token", &token);
    for (name, value) in browser.cookies.lock().unwrap().iter() {
        canaries.add(name, value);
    }
    places.extend(places::explained(app).await);
    places.extend(places::measured(app));
    drop(listening);
    places.extend(places::printed(app));

    let log = log.0.lock().unwrap().clone();
    for expected in [
        "answered",
        "login_failed",
        "login_succeeded",
        "client_authentication_failed",
        "token_refused",
        "request failed",
        "alert opened",
        "otel.name",
        "SELECT token_family",
    ] {
        assert!(log.contains(expected), "nothing was heard of {expected:?}");
    }
    assert!(!log.contains('\u{1b}'), "a login name is not for the log");
    places.push(("the log".to_owned(), log));
    for (place, bytes) in places::database(&app.issuer.store).await {
        places.push((place, String::from_utf8_lossy(&bytes).into_owned()));
    }
    for (place, text) in &places {
        canaries.are_not_in(place, text);
    }
    (canaries, places)
}

/// One sentence for a place in which the address is.
#[track_caller]
fn address_is_in_none(places: &[(String, String)], address: &str) {
    for (place, text) in places {
        let at = text.find(address);
        let around =
            at.map(|at| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200)..at + 40]));
        assert!(
            at.is_none(),
            "the address lies in {place}: {}",
            around.unwrap_or_default()
        );
    }
}

async fn no_secret_is_told(app: TestApp) {
    let (_, places) = told(&app).await;
    let everywhere: usize = places
        .iter()
        .filter(|(_, text)| text.contains(ADDRESS))
        .count();
    assert!(
        everywhere > 20,
        "this test would not notice an address: {everywhere}"
    );
    let halves = places::private_halves(&app).await;
    let mut whole = 0;
    for (place, bytes) in places::database(&app.issuer.store).await {
        whole += bytes.len();
        for half in &halves {
            assert!(
                !bytes.windows(half.len()).any(|window| window == half),
                "a private key lies in {place}"
            );
            let text = URL_SAFE_NO_PAD.encode(&half[..half.len() / 3 * 3]);
            assert!(!String::from_utf8_lossy(&bytes).contains(&text));
        }
    }
    assert!(whole > 1000);
}

async fn no_whole_address_is_told(app: TestApp) {
    let (_, places) = told(&app).await;
    address_is_in_none(&places, ADDRESS);
    let networks = places
        .iter()
        .filter(|(_, text)| text.contains("203.0.113.0/24"));
    assert!(networks.count() > 20, "its network is kept");
}

async fn no_address_is_told(app: TestApp) {
    let (_, places) = told(&app).await;
    address_is_in_none(&places, "203.0.113.");
}

macro_rules! on_both_databases_with {
    ($($privacy:ident: $claim:ident;)+) => {
        $(
            mod $claim {
                use super::*;

                #[tokio::test]
                async fn sqlite() {
                    let app = TestApp::sqlite_with(options(AddressPrivacy::$privacy)).await;
                    super::$claim(app).await;
                }

                #[tokio::test]
                async fn postgres() {
                    if let Some(app) = TestApp::postgres_with(options(AddressPrivacy::$privacy)).await {
                        super::$claim(app).await;
                    }
                }
            }
        )+
    };
}

on_both_databases_with! {
    Full: no_secret_is_told;
    Truncated: no_whole_address_is_told;
    None: no_address_is_told;
}
