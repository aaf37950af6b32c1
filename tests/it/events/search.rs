//! Finding events, page by page.

use crate::support::database;
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::admin::events::{self, Query};
use gatewright::flows::admin::{Admin, AdminError};
use gatewright::store::events::search::Filter;

fn admin(app: &TestApp) -> Admin<'_> {
    let issuer = &app.issuer;
    Admin {
        store: &issuer.store,
        master: &issuer.master,
        entropy: &issuer.entropy,
        passwords: &issuer.passwords,
        events: &issuer.events,
        actor: "test",
    }
}

fn of_kind(kind: &str, limit: i64) -> Query {
    Query {
        filter: Filter {
            kind: Some(kind.to_owned()),
            ..Filter::default()
        },
        limit,
        ..Query::default()
    }
}

on_both_databases! {
    async fn pages_have_each_event_once(app: TestApp) {
        for number in 0..25 {
            app.post("/token", &[("client_id", "nobody")]).await;
            if number % 4 == 0 {
                app.advance(1);
            }
        }
        app.write_events().await;
        let mut query = of_kind("client_authentication_failed", 10);
        let mut seen = Vec::new();
        loop {
            let page = events::find(admin(&app), &query).await.unwrap();
            seen.extend(page.events.iter().map(|row| (row.at, row.event_id.clone())));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
    }

    async fn a_forged_or_foreign_cursor_is_refused(app: TestApp) {
        for _ in 0..5 {
            app.post("/token", &[("client_id", "nobody")]).await;
        }
        app.write_events().await;
        let query = of_kind("client_authentication_failed", 2);
        let next = events::find(admin(&app), &query).await.unwrap().next.unwrap();
        for (kind, cursor) in [
            ("client_authentication_failed", "x".to_owned()),
            ("client_authentication_failed", format!("{next}A")),
            ("login_failed", next),
        ] {
            let query = Query { cursor: Some(cursor), ..of_kind(kind, 2) };
            let refused = events::find(admin(&app), &query).await;
            assert!(matches!(refused, Err(AdminError::Refused(_))), "{kind}");
        }
    }

    async fn each_filter_finds_its_own(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let answer = app.post("/token", &[("client_id", "nobody")]).await;
        app.seen_from("198.51.100.4").post("/token", &[("client_id", "nobody")]).await;
        app.tokens("web", "openid offline_access").await;
        app.write_events().await;
        let request_id = answer.header("x-request-id").unwrap().to_owned();
        let find = async |filter: Filter, user: Option<&str>| {
            let query = Query { filter, user: user.map(str::to_owned), limit: 100, ..Query::default() };
            events::find(admin(&app), &query).await.unwrap().events
        };
        let of_request = find(Filter { request_id: Some(request_id), ..Filter::default() }, None).await;
        assert_eq!(of_request.len(), 1);
        assert_eq!(of_request[0].kind, "client_authentication_failed");
        let address = Some("198.51.100.4".to_owned());
        assert_eq!(find(Filter { address, ..Filter::default() }, None).await.len(), 1);
        for user in ["ada", ada.subject.as_str()] {
            let of_user = find(Filter::default(), Some(user)).await;
            let kinds: Vec<&str> = of_user.iter().map(|row| row.kind.as_str()).collect();
            for kind in ["login_succeeded", "session_started", "code_issued", "code_redeemed", "token_issued"] {
                assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
            }
            assert!(of_user.iter().all(|row| row.subject.as_deref() == Some(ada.subject.as_str())));
        }
        let of_client = find(Filter { client_id: Some("web".to_owned()), ..Filter::default() }, None).await;
        assert!(!of_client.is_empty() && of_client.iter().all(|row| row.client_id.as_deref() == Some("web")));
        let later = Filter { since: Some(app.now() + 1), ..Filter::default() };
        assert!(find(later, None).await.is_empty());
        let earlier = Filter { until: Some(database::EPOCH + 1), ..Filter::default() };
        assert!(find(earlier, None).await.iter().all(|row| row.at <= database::EPOCH));
    }

    async fn names_that_dont_exist_are_told(app: TestApp) {
        let unknown = events::find(admin(&app), &of_kind("login_fialed", 1)).await.unwrap_err();
        assert!(unknown.to_string().contains("login_failed"), "{unknown}");
        let query = Query { user: Some("nobody".to_owned()), ..Query::default() };
        let unknown = events::find(admin(&app), &query).await.unwrap_err();
        assert!(unknown.to_string().contains("gatewright user list"), "{unknown}");
        let query = Query { user: Some("' OR 1=1 --".to_owned()), ..Query::default() };
        assert!(events::find(admin(&app), &query).await.is_err());
    }
}
