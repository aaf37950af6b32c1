//! SIGTERM with requests in flight (the bar's F28).

use super::process::{FORM, Installation, head, read, until};
use crate::support::app::form;
use crate::support::database::TempDir;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn sigterm_completes_what_is_in_flight_and_turns_new_traffic_away() {
    let installation = Installation::new(&[("GATEWRIGHT_HTTP_SHUTDOWN_DELAY_S", "1")]);
    let mut node = installation.start();
    let in_flight: Vec<(TcpStream, String)> = installation
        .refresh_tokens(8)
        .into_iter()
        .map(|token| {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", "web"),
                ("refresh_token", token.as_str()),
            ];
            let body = form(&fields);
            let (sent, rest) = body.split_at(body.len() / 2);
            let mut stream = TcpStream::connect(installation.address).unwrap();
            let head = head(installation.address, "POST", "/token", &[FORM], body.len());
            stream.write_all((head + sent).as_bytes()).unwrap();
            (stream, rest.to_owned())
        })
        .collect();
    // Answered after those heads have arrived.
    assert_eq!(installation.get("/health/ready").unwrap().status, 200);

    node.terminate();
    let turned_away = until("the node isn't ready", || {
        let status = installation
            .get("/health/ready")
            .map(|answer| answer.status.as_u16());
        (!matches!(status, Ok(200))).then_some(status)
    });
    assert_eq!(
        turned_away.expect("the listener closed before it said that it would"),
        503
    );
    // The listener closes; those that are under way are waited for.
    until("the listener is closed", || {
        TcpStream::connect(installation.address)
            .is_err()
            .then_some(())
    });
    for (mut stream, rest) in in_flight {
        stream.write_all(rest.as_bytes()).unwrap();
        let answer = read(stream).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.json()["refresh_token"].is_string());
    }
    assert_eq!(node.ended().code(), Some(0));
}

#[test]
fn a_node_tells_of_its_start_its_policy_and_its_end() {
    let dir = TempDir::new();
    let policy = dir.0.join("policy.toml");
    std::fs::write(&policy, crate::forward_auth::stage::POLICY).unwrap();
    let installation = Installation::new(&[
        ("GATEWRIGHT_POLICY_FILE", policy.to_str().unwrap()),
        ("GATEWRIGHT_METRICS_LISTEN", "off"),
    ]);
    let mut node = installation.start();
    node.terminate();
    assert_eq!(node.ended().code(), Some(0));
    let told = |kind: &str| {
        let found = installation
            .run(&["events", "search", "--kind", kind, "--json"])
            .json();
        let events = found["events"].as_array().unwrap().clone();
        assert_eq!(events.len(), 1, "{kind}");
        events[0]["detail"].clone()
    };
    for kind in ["node_started", "node_stopped"] {
        assert_eq!(told(kind)["version"], env!("CARGO_PKG_VERSION"));
    }
    let loaded = told("policy_loaded");
    assert_eq!(loaded["scopes"], 3);
    assert_eq!(loaded["digest"].as_str().unwrap().len(), 16);
}
