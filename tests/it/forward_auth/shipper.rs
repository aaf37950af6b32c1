//! What an authorizer's sender makes of the answers that it gets.

use gatewright::notify::decisions::{Lost, NotTaken, Shipper, Taken};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const TAKEN: &str = r#"{"added": 1, "known": 0, "passed_over": 0}"#;
const NOW: i64 = 1_800_000_000;

/// An issuer that answers as it was told, and keeps what it was asked: the path and the credential.
struct Script {
    url: String,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Script {
    fn of(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<(String, String)>>>::default();
        let kept = Arc::clone(&asked);
        let answers: Vec<(u16, String)> = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()))
            .collect();
        std::thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut path, mut credential, mut length) = (String::new(), String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim_end();
                    if line.is_empty() {
                        break;
                    }
                    match line.split_once(": ") {
                        Some(("authorization", value)) => value.clone_into(&mut credential),
                        Some(("content-length", value)) => length = value.parse().unwrap(),
                        Some(_) => {}
                        None => line.split(' ').nth(1).unwrap().clone_into(&mut path),
                    }
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                kept.lock().unwrap().push((path, credential));
                let head = format!(
                    "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: {}",
                    body.len()
                );
                write!(stream, "{head}\r\nconnection: close\r\n\r\n{body}").unwrap();
            }
        });
        Self { url, asked }
    }

    fn shipper(&self) -> Shipper {
        Shipper::new(&self.url, "gate", "gws_secret").unwrap()
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn token(name: &str) -> String {
    format!(r#"{{"access_token": "{name}", "expires_in": 300}}"#)
}

fn call(name: &str) -> (String, String) {
    ("/admin/api/decisions".to_owned(), format!("Bearer {name}"))
}

async fn send(shipper: &mut Shipper, now: i64) -> Result<Taken, NotTaken> {
    shipper
        .send(&["{}".to_owned()], &Lost::default(), now)
        .await
}

#[tokio::test]
async fn a_token_is_kept_and_replaced_before_it_ends() {
    let (first, second) = (token("one"), token("two"));
    let script = Script::of(&[
        (200, &first),
        (200, TAKEN),
        (200, TAKEN),
        (200, &second),
        (200, TAKEN),
    ]);
    let mut shipper = script.shipper();
    for now in [NOW, NOW + 239, NOW + 240] {
        assert_eq!(send(&mut shipper, now).await.unwrap().added, 1);
    }
    let asked = script.asked();
    assert_eq!(asked[0].0, "/token");
    assert!(asked[0].1.starts_with("Basic "), "{asked:?}");
    assert_eq!(asked[1..3], [call("one"), call("one")]);
    assert_eq!((asked[3].0.as_str(), &asked[4]), ("/token", &call("two")));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    for status in [401, 403] {
        let (first, second) = (token("one"), token("two"));
        let script = Script::of(&[
            (200, &first),
            (200, TAKEN),
            (status, "{}"),
            (200, &second),
            (200, TAKEN),
        ]);
        let mut shipper = script.shipper();
        send(&mut shipper, NOW).await.unwrap();
        send(&mut shipper, NOW).await.unwrap();
        assert_eq!(script.asked()[4], call("two"));
        // One that never worked isn't tried twice.
        let script = Script::of(&[(200, &first), (status, "{}")]);
        let refused = send(&mut script.shipper(), NOW).await;
        assert!(matches!(refused, Err(NotTaken::Refused(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn answers_are_told_apart() {
    let first = token("one");
    for (status, body, expected) in [
        (413, "{}", "TooLarge"),
        (429, "{}", "TooFast"),
        (500, "{}", "Failed"),
        (503, "{}", "Failed"),
        (408, "{}", "Failed"),
        (400, "{}", "Refused"),
        // Credentials go nowhere else.
        (307, "{}", "Refused"),
        // Nothing that isn't the admin API takes decisions and loses them.
        (200, "<html>welcome</html>", "Failed"),
        (200, r#"{"added": 1}"#, "Failed"),
    ] {
        let script = Script::of(&[(200, &first), (status, body)]);
        let outcome = send(&mut script.shipper(), NOW).await.unwrap_err();
        assert!(
            format!("{outcome:?}").starts_with(expected),
            "{status} {body}: {outcome:?}"
        );
    }
    // What has no lines can't be made smaller.
    let script = Script::of(&[(200, &first), (413, "{}")]);
    let lost = Lost {
        count: 1,
        report: "r".to_owned(),
    };
    let outcome = script.shipper().send(&[], &lost, NOW).await;
    assert!(matches!(outcome, Err(NotTaken::Failed(_))), "{outcome:?}");
    assert_eq!(script.asked()[1].0, "/admin/api/decisions?lost=1&report=r");
}

#[tokio::test]
async fn what_an_issuer_says_is_passed_on_and_the_secret_is_not() {
    let body = format!(r#"{{"error_description": "{}"}}"#, "x".repeat(5_000));
    let script = Script::of(&[(401, &body)]);
    let Err(NotTaken::Refused(words)) = send(&mut script.shipper(), NOW).await else {
        panic!("it is refused");
    };
    assert!(
        words.contains("token endpoint answered 401") && words.len() < 500,
        "{words}"
    );
    assert!(!words.contains("gws_secret"));
    for url in [
        "http://id.example.com",
        "https://user@id.example.com",
        "nonsense",
    ] {
        let error = Shipper::new(url, "gate", "gws_secret").err().unwrap();
        assert!(
            error.contains("https") && !error.contains("gws_secret"),
            "{error}"
        );
    }
}
