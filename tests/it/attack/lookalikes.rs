//! What looks like something else, or can't be seen: user names, addresses, claims.

use crate::support::{TestApp, on_both_databases};
use crate::troubleshooting::admin;
use gatewright::flows::admin::AdminError;
use gatewright::flows::admin::users::{self, NewUser, UserChange};
use gatewright::store::{Param, lookalikes};
use serde_json::{Value, json};

fn named(username: &str) -> NewUser {
    NewUser {
        username: username.to_owned(),
        ..NewUser::default()
    }
}

async fn created(app: &TestApp, user: NewUser) -> Result<String, AdminError> {
    let account = users::create(admin(app), user, app.now()).await?;
    Ok(account.username)
}

#[track_caller]
fn is_refused(outcome: Result<String, AdminError>, because: &str) {
    match outcome {
        Err(AdminError::Refused(faults)) => {
            assert!(
                faults.iter().any(|fault| fault.contains(because)),
                "{faults:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_a_lookalike(outcome: Result<String, AdminError>) {
    match outcome {
        Err(AdminError::Conflict(words)) => {
            assert!(words.contains("looks like somebody else's"), "{words}")
        }
        other => panic!("{other:?}"),
    }
}

async fn skeletons(app: &TestApp) -> i64 {
    let sql = "SELECT COUNT(*) FROM account WHERE username_skeleton IS NOT NULL";
    app.issuer
        .store
        .fetch_one::<(i64,)>(sql, vec![])
        .await
        .unwrap()
        .0
}

on_both_databases! {
    async fn no_new_user_name_looks_like_anothers(app: TestApp) {
        for name in ["admin", "coco", "modern", "zo\u{eb}", "\u{430}\u{43d}\u{43d}\u{430}", "user1"] {
            created(&app, named(name)).await.unwrap();
        }
        for name in ["\u{441}\u{43e}\u{441}\u{43e}", "modem", "userl", "adrnin"] {
            is_a_lookalike(created(&app, named(name)).await);
        }
        for name in ["\u{430}dmin", "adm\u{456}n", "\u{3bf}scar"] {
            is_refused(created(&app, named(name)).await, "one script");
        }
        for name in ["ad\u{200b}min", "ad\u{ad}min", "ad\u{3164}min", "\u{202e}admin"] {
            is_refused(created(&app, named(name)).await, "use 1 to 128");
        }
        // Renaming is no way round, and one's own look is nobody else's.
        let change = |name: &str| UserChange { username: Some(name.to_owned()), ..UserChange::default() };
        let renamed = async |from: &str, to: &str| {
            users::update(admin(&app), from, &change(to), app.now()).await.map(|account| account.username)
        };
        is_a_lookalike(renamed("coco", "userl").await);
        assert_eq!(renamed("modern", "modem").await.unwrap(), "modem");
        is_a_lookalike(created(&app, named("modern")).await);
        assert_eq!(renamed("modem", "other").await.unwrap(), "other");
        created(&app, named("modern")).await.unwrap();
    }

    async fn names_of_the_version_before_go_on_and_are_protected(app: TestApp) {
        for name in ["admin", "coco"] {
            created(&app, named(name)).await.unwrap();
        }
        // As rows of the version before are, a lookalike among them.
        let store = &app.issuer.store;
        store.execute("UPDATE account SET username_skeleton = NULL", vec![]).await.unwrap();
        let twin = created(&app, named("twin")).await.unwrap();
        let rename = "UPDATE account SET username = $2, username_skeleton = NULL WHERE username = $1";
        let lookalike = "\u{441}\u{43e}\u{441}\u{43e}";
        assert_eq!(store.execute(rename, vec![Param::from(twin.as_str()), Param::from(lookalike)]).await.unwrap(), 1);
        store.execute("UPDATE account SET username_skeleton = NULL", vec![]).await.unwrap();
        assert_eq!(skeletons(&app).await, 0);
        is_a_lookalike(created(&app, named("adrnin")).await);
        assert_eq!(skeletons(&app).await, 3);
        assert_eq!(lookalikes::fill(store).await.unwrap(), 0);
        // Both stay as they are, and may be changed otherwise.
        for name in ["coco", lookalike] {
            let change = UserChange { email: Some(Some(format!("{}@example.com", name.len()))), ..UserChange::default() };
            users::update(admin(&app), name, &change, app.now()).await.unwrap();
        }
    }

    async fn of_two_that_look_alike_at_once_one_is_made(app: TestApp) {
        let (one, other) = tokio::join!(created(&app, named("paypal")), created(&app, named("paypa1")));
        let made = [&one, &other].iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(made, 1, "{one:?} {other:?}");
    }

    async fn what_cannot_be_seen_is_in_no_address_and_no_name(app: TestApp) {
        let with_email = |email: &str| NewUser { email: Some(email.to_owned()), ..named("ada") };
        for email in [
            "ada\u{200b}@example.com",
            "ada@exam\u{200d}ple.com",
            "ada@example.com\u{feff}x",
            "\u{202e}ada@example.com",
            "a\u{ad}da@example.com",
            "ada\0@example.com",
        ] {
            is_refused(created(&app, with_email(email)).await, "invisible");
        }
        is_refused(created(&app, with_email("ad\u{430}@example.com")).await, "one script");
        is_refused(created(&app, with_email("ada@ex\u{430}mple.com")).await, "one script");
        let with_claim = |name: &str, value: Value| NewUser { claims: vec![(name.to_owned(), value)], ..named("ada") };
        for (name, value) in [
            ("name", json!("Ada\u{202e}ecalevoL")),
            ("nickname", json!("A\u{200b}da")),
            ("phone_number", json!("+1\u{200e}555")),
            ("address", json!({"formatted": "a\u{2066}b"})),
            ("x\u{200b}y", json!(1)),
        ] {
            is_refused(created(&app, with_claim(name, value)).await, "claim");
        }
        let lines = json!({"formatted": "1 Main Street\nTown", "country": "\u{65e5}\u{672c}"});
        created(&app, with_claim("address", lines)).await.unwrap();
    }
}
