//! People: passwords, addresses, sessions, their end.

use super::program::{PASSWORD, Program, holds, on_either};
use crate::support::database::recent_events;
use gatewright::domain::grant::Grant;
use gatewright::domain::session::Session;
use gatewright::domain::{ClientId, FamilyId, Scope, SessionId, Subject};
use gatewright::store::refresh_tokens::{self, FirstToken};
use gatewright::store::{Store, accounts, sessions};
use serde_json::json;

/// A browser session and a refresh token of a person, with a session id that looks like an option.
pub async fn sign_in(store: &Store, subject: &str, name: &str) -> (SessionId, FamilyId) {
    let now = store.clock().await.unwrap();
    let account = accounts::by_subject(store, &Subject::new(subject))
        .await
        .unwrap()
        .unwrap();
    let (session_id, family_id) = (
        SessionId::new(format!("-{name}")),
        FamilyId::new(format!("family-{name}")),
    );
    let session = Session {
        session_id: session_id.clone(),
        subject: Subject::new(subject),
        auth_time: now,
        created_at: now,
        seen_at: now,
        expires_at: now + 3600,
    };
    let grant = Grant {
        family_id: family_id.clone(),
        client_id: ClientId::new("worker"),
        subject: Subject::new(subject),
        scope: Scope::parse("openid").unwrap(),
        resources: Vec::new(),
        audiences: Some(Vec::new()),
        registered_redirect_uri: "https://app.example.com/cb".to_owned(),
        auth_time: now,
        session_id: session_id.clone(),
        nonce: None,
        password_changed_at: account.password_changed_at,
    };
    let mut tx = store.begin().await.unwrap();
    sessions::insert(&mut tx, &format!("cookie-{name}"), &session)
        .await
        .unwrap();
    let digest = format!("token-{name}");
    let first = FirstToken {
        digest: &digest,
        expires_at: now + 3600,
    };
    refresh_tokens::insert_family(&mut tx, &grant, Some(&first), now, now + 3600)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (session_id, family_id)
}

on_either! {
    async fn a_person_is_created_found_changed_and_removed(program) {
        let ada = program.user("Ada");
        assert_eq!((&ada["username"], &ada["email"]), (&json!("ada"), &json!("ada@example.com")));
        assert_eq!((&ada["email_verified"], &ada["disabled"]), (&json!(false), &json!(false)));
        let subject = ada["sub"].as_str().unwrap();
        for name in ["ada", "ADA", "ada@example.com", subject] {
            assert_eq!(program.run(&["user", "show", name, "--json"]).json()["sub"], subject, "{name}");
        }
        let verified = program.run(&["user", "update", "ada", "--email-verified", "--claim", "team=\"blue\"", "--json"]).json();
        assert_eq!((&verified["email_verified"], &verified["claims"]), (&json!(true), &json!({"team": "blue"})));
        let moved = program.run(&["user", "update", "ada", "--email", "ada@example.org", "--claim", "team=null", "--json"]).json();
        assert_eq!((&moved["email_verified"], &moved["claims"]), (&json!(false), &json!({})), "a new address isn't verified");
        let without = program.run(&["user", "update", "ada", "--email", "", "--username", "countess", "--json"]).json();
        assert_eq!((&without["email"], &without["username"]), (&json!(null), &json!("countess")));
        assert_eq!(without["sub"], subject);

        assert_eq!(program.run(&["user", "delete", "countess", "--json"]).json(), json!({"sub": subject, "deleted": true}));
        program.run(&["user", "show", "countess"]).fails(1, &["gatewright user list"]);
    }

    async fn disabling_a_person_or_setting_a_password_ends_sessions_and_refresh_tokens(program) {
        program.machine("worker");
        let ada = program.user("ada");
        let bob = program.user("bob");
        let store = program.store().await;
        let subject = ada["sub"].as_str().unwrap();
        let (_, bobs) = sign_in(&store, bob["sub"].as_str().unwrap(), "bob").await;

        let ways: [(&str, &[&str], &str); 3] = [
            ("a", &["user", "disable", "ada", "--json"], ""),
            ("b", &["user", "set-password", "ada", "--password-stdin", "--json"], "another good password"),
            ("c", &["user", "sessions", "ada", "--end-all", "--json"], ""),
        ];
        for (name, args, stdin) in ways {
            let (_, family) = sign_in(&store, subject, name).await;
            let said = program.run_with(args, stdin).json();
            assert_eq!((&said["sessions_ended"], &said["refresh_tokens_revoked"]), (&json!(1), &json!(1)), "{args:?}");
            assert!(!refresh_tokens::family_is_live(&store, family.as_str()).await.unwrap(), "{args:?}");
            assert_eq!(refresh_tokens::live_leaves(&store, &family).await.unwrap(), 0);
        }
        assert!(refresh_tokens::family_is_live(&store, bobs.as_str()).await.unwrap(), "nobody else's ended");
        assert_eq!(program.run(&["user", "enable", "ada", "--json"]).json()["disabled"], false);

        let (_, family) = sign_in(&store, subject, "d").await;
        program.run(&["user", "delete", "ada"]).succeeds();
        assert!(!refresh_tokens::family_is_live(&store, family.as_str()).await.unwrap());
        let recorded = recent_events(&store).await;
        let deleted = recorded.iter().find(|(_, detail)| detail["what"] == "user_deleted").unwrap();
        assert_eq!(deleted.1["target"], subject);
        assert!(!deleted.1.to_string().contains("ada@"), "a removed person's record is gone");
    }

    async fn sessions_are_listed_and_ended_one_by_one(program) {
        program.machine("worker");
        let subject = program.user("ada")["sub"].as_str().unwrap().to_owned();
        program.user("bob");
        let store = program.store().await;
        let (session, family) = sign_in(&store, &subject, "laptop").await;
        let list = program.run(&["user", "sessions", "ada", "--json"]).json();
        assert_eq!(list["sessions"][0]["session_id"], session.as_str());
        program.run(&["user", "sessions", "bob", "--end", session.as_str()]).fails(1, &["gatewright user sessions bob"]);
        program.run(&["user", "sessions", "ada", "--end", session.as_str(), "--json"]).json();
        assert_eq!(program.run(&["user", "sessions", "ada", "--json"]).json(), json!({"sessions": []}));
        assert!(refresh_tokens::family_is_live(&store, family.as_str()).await.unwrap(), "offline access goes on");
    }

    async fn a_login_name_belongs_to_one_person(program) {
        program.user("ada");
        let shadow = program.run(&["user", "create", "ada@example.com", "--no-password"]);
        shadow.fails(1, &["ada@example.com", "belongs to somebody else"]);
        program.run(&["user", "create", "eve", "--email", "ADA@example.com", "--no-password"]).fails(1, &["belongs to"]);
        program.run(&["user", "create", "Ada", "--no-password"]).fails(1, &["belongs to", "gatewright user list"]);
        program.run(&["user", "create", "bob@example.com", "--email", "bob@example.com", "--no-password"]).succeeds();
        program.run(&["user", "update", "bob@example.com", "--username", "ada@example.com"]).fails(1, &["belongs to"]);
    }
}

#[tokio::test]
async fn a_password_lies_in_the_database_as_argon2id_only_and_is_never_printed() {
    let program = Program::sqlite();
    let said = program.run_with(
        &["user", "create", "ada", "--password-stdin"],
        &format!("{PASSWORD}\n"),
    );
    assert!(!said.succeeds().contains(PASSWORD) && !said.stderr.contains(PASSWORD));
    assert!(!holds(&program.database_bytes(), PASSWORD));
    let store = program.store().await;
    let (_, hash) = accounts::by_login(&store, "ada").await.unwrap().unwrap();
    assert!(hash.unwrap().starts_with("$argon2id$v=19$m=8192,t=1,p=1$"));
}

#[test]
fn bad_passwords_are_refused_with_what_to_do() {
    let program = Program::sqlite();
    let args = ["user", "create", "adalovelace", "--password-stdin"];
    let long = "x".repeat(1100);
    for (password, words) in [
        ("", "pipe it in"),
        ("\n", "pipe it in"),
        ("short", "choose a longer one"),
        ("12345678", "choose another"),
        ("AdaLovelace", "choose another"),
        (long.as_str(), "choose a shorter one"),
        ("two\nlines of it", "give one line"),
    ] {
        let said = program.run_with(&args, password);
        said.fails(2, &[words]);
        assert!(
            password.len() < 5 || !said.stderr.contains(password),
            "{}",
            said.stderr
        );
    }
    program
        .run(&["user", "create", "ada"])
        .fails(2, &["--password-stdin", "--no-password"]);
    program
        .run(&["user", "set-password", "ada"])
        .fails(2, &["--password-stdin"]);
    let both = program.run(&["user", "create", "ada", "--no-password", "--password-stdin"]);
    both.fails(2, &["cannot be used with"]);
    let given = program.run(&["user", "create", "ada", "--password", "secret"]);
    given.fails(2, &["unexpected argument"]);
    program
        .run_with(
            &["user", "set-password", "nobody", "--password-stdin"],
            PASSWORD,
        )
        .fails(1, &["user list"]);
}

#[test]
fn everything_that_is_wrong_with_a_person_is_said_at_once() {
    let program = Program::sqlite();
    let args = [
        "user",
        "create",
        "a b",
        "--email",
        "nowhere",
        "--password-stdin",
        "--claim",
        "sub=\"x\"",
        "--claim",
        "phone_number=3",
    ];
    program.run_with(&args, "short").fails(
        2,
        &[
            "5 things are wrong",
            "user name",
            "nowhere",
            "\"sub\"",
            "phone_number",
            "longer",
        ],
    );
    let unquoted = program.run(&[
        "user",
        "create",
        "ada",
        "--no-password",
        "--claim",
        "name=Ada Lovelace",
    ]);
    unquoted.fails(2, &[r#"--claim name='"Ada Lovelace"'"#]);
    program
        .run(&["user", "create", "ada", "--no-password", "--email-verified"])
        .fails(2, &["give --email"]);
    let big = format!("bio=\"{}\"", "x".repeat(5000));
    program
        .run(&["user", "create", "ada", "--no-password", "--claim", &big])
        .fails(2, &["fewer or shorter"]);
}
