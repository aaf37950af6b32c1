//! faults.md F25 over real connections: whatever the issuer's server does, the last good set stays in use.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::{Clock, JwksState};
use gatewright_authorizer::policy::{IssuerRules, JwksRules, JwksUri};
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde_json::{Value, json};

use crate::support::http::{Response, serve};
use crate::support::signer::shared;
use crate::support::{AUDIENCE, ISSUER, NOW, Signer, block_on, claims};

/// Time in microseconds, moved by the test.
#[derive(Default)]
struct ByHand(AtomicU64);

impl ByHand {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ByHand {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

type Answer = Arc<dyn Fn(&str) -> Response + Send + Sync>;

/// A server of keys whose answer the test changes, and a verifier that asks it.
struct World {
    answer: Arc<Mutex<Answer>>,
    fetches: Arc<AtomicUsize>,
    clock: Arc<ByHand>,
    verifier: Verifier,
}

fn keys(jwks: &[Value]) -> String {
    json!({ "keys": jwks }).to_string()
}

impl World {
    fn new() -> Self {
        let sound: Answer = Arc::new(|_| Response::json(keys(&[shared().jwk()])));
        let answer = Arc::new(Mutex::new(sound));
        let fetches = Arc::new(AtomicUsize::new(0));
        let origin = serve({
            let (answer, fetches) = (Arc::clone(&answer), Arc::clone(&fetches));
            move |origin, request| {
                assert_eq!(request.path, "/keys?v=1", "nothing else is asked for");
                fetches.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer.lock().unwrap());
                answer(origin)
            }
        });
        let clock = Arc::new(ByHand::default());
        let verifier = verifier_at(&format!("{origin}/keys?v=1"), 10_000, &clock);
        Self {
            answer,
            fetches,
            clock,
            verifier,
        }
    }

    fn answers(&self, answer: impl Fn(&str) -> Response + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn verifier_at(uri: &str, timeout_ms: u64, clock: &Arc<ByHand>) -> Verifier {
    let rules = IssuerRules {
        jwks: JwksRules {
            uri: Some(JwksUri::At(uri.to_owned())),
            timeout_ms,
            ..JwksRules::default()
        },
        ..IssuerRules::new(
            ISSUER,
            vec![AUDIENCE.to_owned()],
            vec![Algorithm::Es256, Algorithm::EdDsa],
        )
    };
    let clock: Arc<dyn Clock> = Arc::<ByHand>::clone(clock);
    Verifier::over_http(&[rules], Path::new(""), &clock).unwrap()
}

/// A token whose kid only a new set could have: it makes the verifier ask, and wait for the answer.
fn rotated() -> String {
    let mut header = shared().header();
    header["kid"] = json!("rotated");
    shared().sign_with(&header, &claims("a"))
}

#[test]
fn a_bad_answer_never_replaces_a_good_set() {
    let twins = [
        Signer::es256("rotated").jwk(),
        Signer::ed25519("rotated").jwk(),
    ];
    let many: Vec<Value> = (0..101)
        .map(|at| Signer::ed25519(&format!("k{at}")).jwk())
        .collect();
    let oversized = format!("{}{}", keys(&[shared().jwk()]), " ".repeat(256 * 1024));
    let bodies = [
        ("twins", keys(&twins)),
        ("too many", keys(&many)),
        ("oversized", oversized),
        ("garbage", "\u{0}\u{1}garbage".to_owned()),
        ("page", "<html>Sign in to the network</html>".to_owned()),
        ("cut JSON", "{\"keys\":[{\"kty\":\"EC\"".to_owned()),
        ("nothing", String::new()),
        (
            "another document",
            "{\"issuer\":\"https://issuer.example\"}".to_owned(),
        ),
    ];
    let world = World::new();
    let good = shared().sign(&claims("a"));
    block_on(async {
        assert!(world.verifier.verify(&good, NOW).await.is_ok());
        for (name, body) in bodies {
            world.answers(move |_| Response::json(body.clone()));
            expect_last_good_set(&world, &good, name).await;
        }
        for status in [201, 204, 301, 302, 307, 308, 401, 404, 429, 500, 503] {
            world.answers(move |origin| Response {
                status,
                headers: vec![("Location", format!("{origin}/keys?v=1"))],
                body: keys(&[shared().jwk(), Signer::es256("rotated").jwk()]).into_bytes(),
            });
            expect_last_good_set(&world, &good, &status.to_string()).await;
        }
    });
}

/// While the set is fresh, an unknown kid is the token's fault whatever the server says.
async fn expect_last_good_set(world: &World, good: &str, name: &str) {
    world.clock.pass(35);
    let before = world.fetches();
    let rotated = world.verifier.verify(&rotated(), NOW).await;
    let expected = if world.clock.now_ms() < 600_000 {
        Reason::KeyUnknown
    } else {
        Reason::KeysUnavailable
    };
    assert_eq!(rotated, Err(expected), "{name}");
    assert_eq!(
        world.fetches(),
        before + 1,
        "{name}: one fetch, no redirect"
    );
    let looked = world
        .verifier
        .examine(&Credentials::bearer(good), NOW)
        .await;
    assert!(looked.outcome.is_ok() && looked.known, "{name}");
    assert!(
        matches!(looked.jwks, Some(JwksState::Fresh | JwksState::Stale)),
        "{name}"
    );
}

#[test]
fn a_set_without_a_usable_key_means_that_the_issuer_has_none() {
    let mut private = shared().jwk();
    private["d"] = json!("AA");
    let sets = [
        ("none", keys(&[])),
        ("a private one", keys(&[private])),
        (
            "odd ones",
            "{\"keys\":[7,{},null,{\"kid\":\"key-1\"}]}".to_owned(),
        ),
    ];
    for (name, body) in sets {
        let world = World::new();
        let good = shared().sign(&claims("a"));
        block_on(async {
            assert!(world.verifier.verify(&good, NOW).await.is_ok());
            world.answers(move |_| Response::json(body.clone()));
            world.clock.pass(11);
            for token in [rotated(), good] {
                let refused = world.verifier.verify(&token, NOW).await;
                assert_eq!(refused, Err(Reason::KeyUnknown), "{name}");
            }
        });
    }
}

#[test]
fn a_sound_answer_after_bad_ones_is_taken() {
    let world = World::new();
    let newer = Signer::es256("rotated");
    let token = newer.sign(&claims("a"));
    block_on(async {
        let good = shared().sign(&claims("a"));
        assert!(world.verifier.verify(&good, NOW).await.is_ok());
        world.answers(|_| Response::status(500));
        world.clock.pass(11);
        assert_eq!(
            world.verifier.verify(&token, NOW).await,
            Err(Reason::KeyUnknown)
        );
        let jwks = keys(&[newer.jwk()]);
        world.answers(move |_| Response::json(jwks.clone()));
        world.clock.pass(11);
        assert!(world.verifier.verify(&token, NOW).await.is_ok());
        assert_eq!(
            world.verifier.verify(&good, NOW).await,
            Err(Reason::KeyUnknown),
            "its key is gone"
        );
    });
}

/// Servers that never finish: each answers with these bytes and then holds the connection, or closes it.
fn unfinished(head: &'static str, hold: bool) -> String {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(head.as_bytes());
            if hold {
                open.push(stream);
            }
        }
    });
    format!("http://{address}/keys")
}

#[test]
fn a_server_that_does_not_finish_is_a_fault_and_never_an_answer() {
    let token = shared().sign(&claims("a"));
    for (name, head, hold) in [
        ("silent", "", true),
        ("hangs up", "", false),
        (
            "slow body",
            "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"keys\":[",
            true,
        ),
        (
            "truncated",
            "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"keys\":[]}",
            false,
        ),
        ("not HTTP", "SSH-2.0-OpenSSH\r\n", false),
    ] {
        let verifier = verifier_at(&unfinished(head, hold), 100, &Arc::new(ByHand::default()));
        let looked = block_on(verifier.examine(&Credentials::bearer(&token), NOW));
        assert_eq!(looked.outcome, Err(Reason::KeysUnavailable), "{name}");
        assert_eq!(looked.jwks, Some(JwksState::Unavailable), "{name}");
    }
}
