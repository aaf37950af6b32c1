//! The activity page, and the events behind its numbers.

use crate::support::administration::{administrator, make_administrator, open, recorded_at};
use crate::support::fixtures::{PASSWORD, SECRET, authorize_url, machine_client};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::domain::client::GrantType;
use gatewright::domain::event::{Decision, Happening, LoginFailure};
use gatewright::domain::{ClientId, Subject};

/// The text between two marks.
#[track_caller]
fn part<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let at = page
        .find(from)
        .unwrap_or_else(|| panic!("no {from}: {page}"));
    let rest = &page[at..];
    &rest[..rest.find(to).unwrap_or_else(|| panic!("no {to}"))]
}

/// Every link in some HTML.
fn links(html: &str) -> Vec<String> {
    html.split(" href=\"")
        .skip(1)
        .map(|rest| {
            rest[..rest.find('"').unwrap()]
                .replace("&#38;", "&")
                .replace("&amp;", "&")
        })
        .collect()
}

/// How many events a list shows.
fn listed(page: &str) -> usize {
    page.matches("<tr class=").count()
}

fn denied(reason: &str, route: &str) -> Happening {
    Happening::AccessDecided {
        decision: Decision::Deny,
        reason: Some(reason.to_owned()),
        rule: None,
        missing: None,
        api: None,
        stage: None,
        call: None,
        connection: None,
        answer: None,
        method: Some("GET".to_owned()),
        route: Some(route.to_owned()),
        issuer: None,
        client_id: Some(ClientId::new("web")),
        subject_digest: None,
        jti_digest: None,
        kid: None,
        jwks: None,
        config: None,
        us: Some(40),
        shipped_by: None,
    }
}

async fn a_day_of(app: &TestApp) -> Subject {
    let ada = app.with_ada_and_web().await;
    app.register(&machine_client("worker")).await;
    for _ in 0..3 {
        app.machine_token("worker", &[]).await.json();
    }
    let browser = Browser::new(app);
    browser
        .log_in(
            &authorize_url("web", "openid", &[]),
            "ada",
            "wrong password",
        )
        .await;
    app.post(
        "/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "worker"),
            ("client_secret", "no"),
        ],
    )
    .await;
    let now = app.now();
    recorded_at(app, now, denied("insufficient_scope", "GET /orders/{id}"));
    recorded_at(app, now, denied("insufficient_scope", "GET /orders/{id}"));
    recorded_at(app, now, denied("expired", "POST /orders"));
    let summed = Happening::TokensIssued {
        grant: GrantType::ClientCredentials,
        client_id: ClientId::new("worker"),
        count: 5000,
    };
    recorded_at(app, now, summed);
    app.write_events().await;
    ada.subject
}

on_both_databases! {
    async fn an_empty_database_has_a_page(app: TestApp) {
        let browser = administrator(&app).await;
        for range in ["hour", "day", "week"] {
            let page = open(&browser, &format!("/admin/activity?range={range}")).await;
            assert!(page.contains("id=\"activity\""), "{page}");
            assert!(part(&page, "id=\"denials\"", "</section>").contains("Nothing in this time"), "{page}");
            assert!(part(&page, "id=\"alerts\"", "</section>").contains("None."));
            assert!(part(&page, "id=\"keys\"", "</section>").contains("active"));
            assert!(page.contains("All times are UTC"));
        }
        for range in ["", "range=year", "range=hour&range=day", "range=%00"] {
            let status = browser.get(&format!("/admin/activity?{range}")).await.status;
            assert_eq!(status, if range.is_empty() { 200 } else { 400 }, "{range}");
        }
    }

    async fn every_number_leads_to_as_many_events(app: TestApp) {
        a_day_of(&app).await;
        let browser = administrator(&app).await;
        for range in ["hour", "day", "week"] {
            app.advance(60);
            let page = open(&browser, &format!("/admin/activity?range={range}")).await;
            let mut seen = 0;
            for chart in ["logins", "tokens", "denials"] {
                let section = part(&page, &format!("id=\"{chart}\""), "</section>");
                assert!(section.contains("<svg"), "{chart}");
                for anchor in section.split("<a ").skip(1) {
                    let number = part(anchor, ">", "</a>")[1..].to_owned();
                    let list = open(&browser, &links(&format!("<a {anchor}"))[0]).await;
                    match number.strip_prefix('+') {
                        // It stands for many.
                        Some(_) => assert_eq!((number.as_str(), listed(&list)), ("+5,000", 1), "{anchor}"),
                        None => assert_eq!(number, listed(&list).to_string(), "{anchor}"),
                    }
                    seen += 1;
                }
            }
            assert!(seen >= 8, "{seen} numbers in {page}");
            for (ranking, name, number) in [
                ("failure-reasons", "wrong_password", "1"),
                ("failed-accounts", "ada", "1"),
                ("failed-addresses", "203.0.113.7", "1"),
                ("denial-reasons", "insufficient_scope", "2"),
                ("denied-routes", "GET /orders/{id}", "2"),
            ] {
                let section = part(&page, &format!("id=\"{ranking}\""), "</section>");
                let line = part(section, &format!("<bdi>{name}</bdi>"), "</tr>");
                assert!(line.contains(&format!(">{number}</a>")), "{line}");
                let list = open(&browser, &links(line)[0]).await;
                assert_eq!(listed(&list).to_string(), number, "{ranking}");
            }
            let clients = part(&page, "id=\"clients\"", "</section>");
            assert!(part(clients, "<bdi>worker</bdi>", "</tr>").contains(">5,003</a>"), "{clients}");
            let refused = part(&page, "id=\"refused-clients\"", "</section>");
            assert!(refused.contains("<bdi>worker</bdi>"), "{refused}");
        }
    }

    async fn what_is_older_than_the_range_is_not_counted(app: TestApp) {
        app.with_ada_and_web().await;
        let hour = 3600;
        for ago in [1, hour / 2, 2 * hour, 23 * hour, 25 * hour, 6 * 24 * hour, 8 * 24 * hour] {
            recorded_at(&app, app.now() - ago, denied("expired", "GET /"));
        }
        app.write_events().await;
        let browser = administrator(&app).await;
        for (range, count) in [("hour", 2), ("day", 4), ("week", 6)] {
            let page = open(&browser, &format!("/admin/activity?range={range}")).await;
            let section = part(&page, "id=\"denial-reasons\"", "</section>");
            assert!(section.contains(&format!(">{count}</a>")), "{range}: {section}");
        }
    }

    async fn counts_are_kept_for_some_seconds(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        app.set_clock(app.now().div_euclid(60) * 60 + 60);
        let number = |page: &str| part(page, "id=\"denials\"", "</section>").matches("<a ").count();
        assert_eq!(number(&open(&browser, "/admin/activity?range=hour").await), 0);
        recorded_at(&app, app.now(), denied("expired", "GET /"));
        app.write_events().await;
        app.advance(4);
        assert_eq!(number(&open(&browser, "/admin/activity?range=hour").await), 0);
        app.advance(1);
        assert_eq!(number(&open(&browser, "/admin/activity?range=hour").await), 2);
    }

    async fn an_open_alert_is_shown_until_it_is_resolved(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        let opened = |id: &str, rule: &str| Happening::AlertOpened {
            alert_id: id.to_owned(),
            rule: rule.to_owned(),
            summary: "40 logins failed in 5 minutes".to_owned(),
        };
        recorded_at(&app, app.now(), opened("one", "login_failures"));
        recorded_at(&app, app.now(), opened("two", "disk_trouble"));
        let resolved = Happening::AlertResolved { alert_id: "two".to_owned(), rule: "disk_trouble".to_owned() };
        recorded_at(&app, app.now() + 1, resolved);
        app.write_events().await;
        app.advance(60);
        let page = open(&browser, "/admin/activity").await;
        let section = part(&page, "id=\"alerts\"", "</section>");
        assert!(section.contains("login_failures") && section.contains("40 logins failed"), "{section}");
        assert!(!section.contains("disk_trouble") && !section.contains("acknowledged"), "{section}");
        let event = open(&browser, &links(section)[0]).await;
        assert!(event.contains("alert_opened"), "{event}");
        let taken = Happening::AlertAcknowledged { alert_id: "one".to_owned(), rule: "login_failures".to_owned(), actor: "ada".to_owned() };
        recorded_at(&app, app.now(), taken);
        app.write_events().await;
        app.advance(60);
        let page = open(&browser, "/admin/activity").await;
        assert!(part(&page, "id=\"alerts\"", "</section>").contains("acknowledged"));
    }

    async fn events_are_paged_and_filtered(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        for number in 0..120 {
            let failed = Happening::LoginFailed {
                reason: LoginFailure::WrongPassword,
                subject: Some(ada.subject.clone()),
                same_password_accounts: None,
            };
            recorded_at(&app, app.now() - 3 * number, failed);
        }
        app.write_events().await;
        let mut next = "/admin/events?kind=login_failed&user=ada".to_owned();
        let mut sizes = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let page = open(&browser, &next).await;
            sizes.push(listed(&page));
            seen.extend(links(&page).into_iter().filter(|link| link.starts_with("/admin/events/")));
            let Some(at) = page.find("id=\"older\"") else { break };
            next = links(&page[at..])[0].clone();
        }
        assert_eq!((sizes, seen.len()), (vec![50, 50, 20], 120));
        assert_eq!(listed(&open(&browser, "/admin/events?kind=login_failed&label=unknown_account").await), 0);
        assert_eq!(listed(&open(&browser, "/admin/events?kind=login_failed&since=30s").await), 11);
        let forged = browser.get("/admin/events?cursor=AAAA").await;
        assert_eq!(forged.status, 400);
        assert!(forged.body.contains("id=\"search-error\"") && forged.body.contains("cursor"), "{}", forged.body);
        for wrong in ["kind=no_such", "user=nobody", "since=yesterday", "colour=red", "kind=login_failed&kind=x"] {
            assert_eq!(browser.get(&format!("/admin/events?{wrong}")).await.status, 400, "{wrong}");
        }
    }

    async fn one_event_shows_all_that_is_known(app: TestApp) {
        a_day_of(&app).await;
        let browser = administrator(&app).await;
        let row = &app.recorded("login_failed").await[0];
        let page = open(&browser, &format!("/admin/events/{}", row.event_id)).await;
        for known in ["login_failed", "wrong_password", "203.0.113.7", row.request_id.as_deref().unwrap()] {
            assert!(page.contains(known), "{known} in {page}");
        }
        let same_request = links(&page).into_iter().find(|link| link.contains("request_id=")).unwrap();
        assert!(listed(&open(&browser, &same_request).await) >= 1);
        for unknown in ["nothing", "..%2F..", "a%00b", &"x".repeat(65)] {
            assert_eq!(browser.get(&format!("/admin/events/{unknown}")).await.status, 404, "{unknown}");
        }
    }

    async fn two_administrators_see_the_same(app: TestApp) {
        let one = administrator(&app).await;
        let bob = app.add_person("bob").await;
        make_administrator(&app, &bob).await;
        let two = Browser::new(&app);
        two.log_in("/admin/activity", "bob", PASSWORD).await;
        let pages = [open(&one, "/admin/activity").await, open(&two, "/admin/activity").await];
        assert_eq!(pages[0], pages[1]);
        assert_eq!(app.get("/admin").await.location(), "/admin/activity");
        assert!(!pages[0].contains(SECRET));
    }
}
