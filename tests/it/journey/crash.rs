//! SIGKILL under refresh load, again and again (the bar's F1; invariants I1 to I4).

use super::process::Installation;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::mpsc;

const KILLS: usize = 50;
/// Families that refresh as fast as they can.
const BUSY: usize = 8;
/// Families that refresh once and then rest.
const RESTING: usize = 4;
/// Families that are revoked on the way, one every ten kills.
const REVOKED: usize = KILLS / 10;

/// One family, as its client sees it.
struct Chain {
    /// Every token that was acknowledged, the newest last.
    tokens: Vec<String>,
    /// The newest answer, to the token before the newest.
    answer: String,
    /// A request with the newest token was sent, and nothing came back.
    unknown: bool,
}

impl Chain {
    fn new(token: String) -> Self {
        Self {
            tokens: vec![token],
            answer: String::new(),
            unknown: false,
        }
    }

    fn newest(&self) -> &str {
        self.tokens.last().unwrap()
    }

    /// Refreshes with the newest token, until the connection breaks.
    fn refresh(&mut self, installation: &Installation) -> bool {
        let Some(answer) = refresh(installation, self.newest()) else {
            self.unknown = true;
            return false;
        };
        let answer = answer.expect("an acknowledged token was refused");
        let successor: Value = serde_json::from_str(&answer).unwrap();
        self.tokens
            .push(successor["refresh_token"].as_str().unwrap().to_owned());
        self.answer = answer;
        self.unknown = false;
        true
    }

    /// After a restart: what was acknowledged stands, and what is unknown can be asked again.
    fn check(&mut self, installation: &Installation) {
        if self.unknown {
            assert!(self.refresh(installation), "the node is gone again");
        } else if self.answer.is_empty() {
            return;
        }
        let spent = &self.tokens[self.tokens.len() - 2];
        let again = refresh(installation, spent)
            .expect("the node is gone again")
            .expect("a retry was refused");
        assert_eq!(again, self.answer, "one token was spent twice");
    }
}

/// `None` if no whole answer came; `Err` for `invalid_grant`.
fn refresh(installation: &Installation, token: &str) -> Option<Result<String, String>> {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("refresh_token", token),
    ];
    let answer = installation.post("/token", &fields).ok()?;
    match answer.status.as_u16() {
        200 => Some(Ok(answer.body)),
        400 => Some(Err(answer.body)),
        other => panic!("{other}: {}", answer.body),
    }
}

#[test]
fn fifty_kills_under_refresh_load_lose_no_token_and_spend_none_twice() {
    let installation = Installation::new(&[("GATEWRIGHT_TOKENS_REFRESH_GRACE_S", "60")]);
    let mut node = installation.start();
    let mut first = installation
        .refresh_tokens(BUSY + RESTING + REVOKED)
        .into_iter()
        .map(Chain::new);
    let mut chains: Vec<Chain> = first.by_ref().take(BUSY + RESTING).collect();
    let mut condemned: Vec<Chain> = first.collect();
    let mut dead: Vec<Chain> = Vec::new();

    for round in 0..KILLS {
        std::thread::scope(|scope| {
            let (acknowledged, heard) = mpsc::channel();
            for (number, chain) in chains.iter_mut().enumerate() {
                let (acknowledged, installation) = (acknowledged.clone(), &installation);
                scope.spawn(move || {
                    while chain.refresh(installation) {
                        let _ = acknowledged.send(());
                        if number >= BUSY {
                            return;
                        }
                    }
                });
            }
            // Each time at another moment, and always while others are on their way.
            for _ in 0..(round * 37) % 61 {
                heard.recv().unwrap();
            }
            if round % 10 == 9 {
                let chain = condemned.pop().unwrap();
                let fields = [("client_id", "web"), ("token", chain.newest())];
                assert_eq!(installation.post("/revoke", &fields).unwrap().status, 200);
                dead.push(chain);
            }
            node.kill();
        });
        node = installation.start();
        for chain in &mut chains {
            chain.check(&installation);
        }
        for chain in &dead {
            assert!(
                refresh(&installation, chain.newest()).unwrap().is_err(),
                "a revocation was forgotten"
            );
        }
    }

    let rotations: usize = chains.iter().map(|chain| chain.tokens.len() - 1).sum();
    assert!(rotations > KILLS, "there was no load: {rotations}");
    let all: Vec<&String> = chains.iter().flat_map(|chain| &chain.tokens).collect();
    assert_eq!(
        all.iter().collect::<HashSet<_>>().len(),
        all.len(),
        "a token was issued twice"
    );
    // The evidence of every spend is still there: an old token ends its family, and only that.
    let (replayed, untouched) = chains.split_at_mut(BUSY / 2);
    for chain in replayed {
        let old = &chain.tokens[0];
        assert!(
            refresh(&installation, old).unwrap().is_err(),
            "a spent token was accepted"
        );
        assert!(
            refresh(&installation, chain.newest()).unwrap().is_err(),
            "a replay did not end the family"
        );
    }
    for chain in untouched {
        assert!(chain.refresh(&installation));
    }
    node.terminate();
    assert!(node.ended().success());
    inspect(&installation);
}

/// What lies in the database after it all.
fn inspect(installation: &Installation) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(installation.database_url())
            .await
            .unwrap();
        let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(integrity, "ok");
        let left: (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM token_family), (SELECT count(*) FROM refresh_token)",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let families = i64::try_from(BUSY + RESTING + REVOKED).unwrap();
        assert_eq!(left, (families, 0), "a rotation left a row");
    });
}
