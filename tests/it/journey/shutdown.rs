//! SIGTERM with requests in flight (the bar's F28).

use super::process::{FORM, Installation, head, read, until};
use crate::support::app::form;
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
