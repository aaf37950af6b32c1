//! Each rule is raised by its incident; an hour of normal load raises none.

use super::support::{
    Watcher, code_replayed, decided, failed_client, failed_login, refresh_replayed, succeeded_login,
};
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::alert::{Rule, TopFive};
use gatewright::domain::event::{Decision, FailureCause, Happening, LoginFailure};
use gatewright::domain::{ClientId, Subject};
use gatewright::flows::alerts::{AlertSettings, Surroundings};
use gatewright::flows::keys;
use gatewright::store::DiskSpace;
use gatewright_authorizer::jose::Algorithm;

fn only(rule: &str, target: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), target.to_owned())]
}

on_both_databases! {
    async fn many_failed_logins_over_many_accounts_raise_one_alert(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 0..60 {
            watcher.note_from(&format!("198.51.100.{n}"), failed_login(Some(&format!("person-{n}")))).await;
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("login_failures", "all:"));
        let alert = &watcher.open().await[0];
        assert_eq!((alert.observed, alert.alert_limit, alert.normal), (60, 50, None));
        assert_eq!(alert.since, app.now());
        assert_eq!(watcher.alerts.open_by_rule()[&Rule::LoginFailures], 1);
        assert_eq!(watcher.alerts.open_by_rule()[&Rule::CodeReplay], 0);
    }

    async fn guessing_one_accounts_password_names_account_and_address(app: TestApp) {
        let watcher = Watcher::on(&app);
        for _ in 0..12 {
            watcher.note_from("198.51.100.9", failed_login(Some("ada"))).await;
        }
        watcher.note_from("198.51.100.10", failed_login(Some("bob"))).await;
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("login_failures_account", "account:ada"));
        let alert = &watcher.open().await[0];
        let top: TopFive = serde_json::from_str(&alert.top).unwrap();
        assert_eq!((top.addresses[0].name.as_str(), top.addresses[0].count), ("198.51.100.9", 12));
        assert_eq!(top.addresses.len(), 1, "bob's address has no part in it");
        assert_eq!(top.reasons[0].name, "wrong_password");
    }

    async fn failures_from_one_address_over_many_accounts(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 0..35 {
            watcher.note_from("198.51.100.9", failed_login(Some(&format!("person-{n}")))).await;
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("login_failures_address", "address:198.51.100.9"));
    }

    async fn what_is_recorded_as_a_number_counts_in_full(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 1..=200 {
            let happening = Happening::LoginFailed {
                reason: LoginFailure::WrongPassword,
                subject: Some(Subject::new("ada")),
                same_password_accounts: Some(n).filter(|accounts| *accounts > 1),
            };
            watcher.note_from("198.51.100.9", happening).await;
        }
        watcher.tick().await;
        assert!(app.events("login_failed").await <= 31);
        let observed = |rule: &str, alerts: &[gatewright::store::alerts::AlertRow]| {
            alerts.iter().find(|alert| alert.rule == rule).map(|alert| alert.observed)
        };
        let open = watcher.open().await;
        for rule in ["login_failures", "login_failures_account", "login_failures_address", "password_spraying"] {
            assert_eq!(observed(rule, &open), Some(200), "{rule}");
        }
        let account = open.iter().find(|alert| alert.rule == "login_failures_account").unwrap();
        let top: TopFive = serde_json::from_str(&account.top).unwrap();
        assert_eq!((top.addresses[0].name.as_str(), top.addresses[0].count), ("198.51.100.9", 200));
    }

    async fn one_password_over_many_accounts(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 1..=12 {
            let happening = Happening::LoginFailed {
                reason: LoginFailure::WrongPassword,
                subject: Some(Subject::new(format!("person-{n}"))),
                same_password_accounts: Some(n).filter(|accounts| *accounts > 1),
            };
            watcher.note_from(&format!("198.51.100.{n}"), happening).await;
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("password_spraying", "all:"));
        let summary = &watcher.open().await[0].summary;
        assert!(summary.ends_with("within 60 minutes"), "{summary}");
        assert_eq!(watcher.open().await[0].observed, 12);
    }

    async fn a_queue_that_is_full_is_no_attack(app: TestApp) {
        let watcher = Watcher::on(&app);
        for _ in 0..200 {
            let happening = Happening::LoginFailed {
                reason: LoginFailure::Busy,
                subject: Some(Subject::new("ada")),
                same_password_accounts: None,
            };
            watcher.note_from("198.51.100.9", happening).await;
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
    }

    async fn a_clients_secret_is_guessed_and_clients_are(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 0..20 {
            watcher.note_from(&format!("198.51.100.{n}"), failed_client(Some("worker"))).await;
            watcher.note_from("198.51.100.99", failed_client(None)).await;
        }
        watcher.tick().await;
        let rule = "client_secret_guessing".to_owned();
        assert_eq!(
            watcher.raised().await,
            [(rule.clone(), "address:198.51.100.99".to_owned()), (rule, "client:worker".to_owned())]
        );
    }

    async fn one_replay_is_enough(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note_from("198.51.100.9", refresh_replayed("web")).await;
        watcher.note_from("198.51.100.9", code_replayed("site")).await;
        watcher.tick().await;
        assert_eq!(
            watcher.raised().await,
            [only("code_replay", "client:site"), only("refresh_replay", "client:web")].concat()
        );
    }

    async fn bogus_key_ids_are_a_flood_and_no_denial_spike(app: TestApp) {
        let watcher = Watcher::on(&app);
        for _ in 0..150 {
            watcher.note(decided(Decision::Unauthorized, Some("key_unknown")));
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("unknown_kid_flood", "all:"));
    }

    async fn many_denials_tell_reason_route_and_client(app: TestApp) {
        let watcher = Watcher::on(&app);
        for _ in 0..120 {
            watcher.note(decided(Decision::Deny, Some("insufficient_scope")));
            watcher.note(decided(Decision::Allow, None));
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("denial_spike", "all:"));
        let alert = &watcher.open().await[0];
        assert_eq!(alert.observed, 120);
        let top: TopFive = serde_json::from_str(&alert.top).unwrap();
        assert_eq!(top.reasons[0].name, "insufficient_scope");
        assert_eq!(top.routes[0].name, "GET /orders/{id}");
        assert_eq!(top.clients[0].name, "worker");
    }

    async fn an_administrator_on_a_new_device_and_nobody_else(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(succeeded_login("ada", false, false));
        watcher.note(succeeded_login("root", true, true));
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        watcher.note(succeeded_login("root", false, true));
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("admin_new_device", "account:root"));
    }

    async fn a_pending_key_that_doesnt_come_to_sign(app: TestApp) {
        let watcher = Watcher::on(&app);
        let issuer = &app.issuer;
        let times = (300, app.now());
        let made = keys::rotate(&issuer.store, &issuer.master, &issuer.events, Algorithm::Es256, times).await.unwrap();
        app.set_clock(made.activates_at + 60);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        app.advance(1);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("keys_overdue", "key:ES256"));
        assert_eq!(watcher.open().await[0].since, made.activates_at);
    }

    async fn a_rotation_that_doesnt_happen(app: TestApp) {
        let mut options = app.options.clone();
        options.settings.rotate_every_days = 1;
        let app = app.reopened(options).await;
        let watcher = Watcher::on(&app);
        // The keys sign since the epoch of the tests, 1000 seconds before now; a day and its limit of 60 seconds.
        app.advance(86_400 - 1000 + 60);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        app.advance(1);
        watcher.tick().await;
        let overdue: Vec<String> = watcher.raised().await.into_iter().map(|(_, target)| target).collect();
        assert_eq!(overdue, ["key:ES256", "key:EdDSA", "key:RS256"]);
        app.tick().await;
        app.advance(900);
        watcher.tick().await;
        let late = watcher.open().await.iter().filter(|alert| alert.seen_at == app.now()).count();
        assert_eq!(late, 3, "the successors are published, and late to sign");
        app.tick().await;
        app.advance(900);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, [], "they sign");
    }

    async fn a_node_whose_clock_is_wrong(app: TestApp) {
        let watcher = Watcher::on(&app);
        let off_by = |seconds: i64| Surroundings { node_clock: app.now() + seconds, ..watcher.around() };
        watcher.tick_in(off_by(-6)).await;
        assert_eq!(app.recorded("clock_skew").await.len(), 1, "noted");
        watcher.tick_in(off_by(-6)).await;
        assert_eq!(app.recorded("clock_skew").await.len(), 1, "once a minute");
        assert_eq!(watcher.raised().await, [], "too little to alarm");
        app.advance(60);
        watcher.tick_in(off_by(120)).await;
        watcher.tick_in(off_by(120)).await;
        assert_eq!(watcher.raised().await, only("clock_skew", "node:test"));
        assert_eq!(watcher.open().await[0].observed, 120);
    }

    async fn lost_events_a_failing_database_and_a_full_disk(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(Happening::EventsLost { count: 7 });
        watcher.note(Happening::DecisionsLost { client_id: ClientId::new("gate"), count: 3 });
        for cause in [FailureCause::DatabaseBusy, FailureCause::DatabaseUnavailable, FailureCause::Internal] {
            for _ in 0..3 {
                watcher.note(Happening::RequestFailed { cause, words: "no".to_owned() });
            }
        }
        let disk = Some(DiskSpace { free_percent: 4, free_mib: 100 });
        watcher.tick_in(Surroundings { disk, ..watcher.around() }).await;
        let expected = [
            only("database_trouble", "all:"),
            only("disk_trouble", "all:"),
            only("event_loss", "client:gate"),
            only("event_loss", "node:test"),
        ];
        assert_eq!(watcher.raised().await, expected.concat());
        let open = watcher.open().await;
        let of = |rule: &str| open.iter().find(|alert| alert.rule == rule).unwrap();
        let lost = |target: &str| open.iter().find(|alert| alert.target == target).unwrap().observed;
        assert_eq!((lost("node:test"), lost("client:gate")), (7, 3));
        assert_eq!(of("database_trouble").observed, 6, "a defect of ours is not the database's");
        assert_eq!(of("disk_trouble").summary, "4 % (100 MiB) of the database's disk are free");
    }

    async fn what_is_usual_at_this_hour_is_no_alarm(app: TestApp) {
        let watcher = Watcher::on(&app);
        let now = app.now();
        // 600 in this hour of each of four days: 50 in five minutes are normal, 150 unusual.
        for day in 1..=4 {
            for n in 0..600 {
                app.set_clock(now - day * 86_400 - 1799 + n * 6);
                watcher.note(failed_login(None));
            }
        }
        app.set_clock(now - 5 * 86_400);
        watcher.note(failed_login(None));
        app.write_events().await;
        app.set_clock(now);
        for _ in 0..149 {
            watcher.note(failed_login(None));
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        for _ in 0..6 {
            watcher.note(failed_login(None));
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("login_failures", "all:"));
        let alert = &watcher.open().await[0];
        assert_eq!((alert.normal, alert.alert_limit, alert.observed), (Some(50), 150, 155));
        assert!(alert.summary.ends_with("at this hour 50 are normal"), "{}", alert.summary);
    }

    async fn a_rule_can_be_changed_and_turned_off(app: TestApp) {
        let limits = [(Rule::RefreshReplay, 0), (Rule::CodeReplay, 2)].into();
        let watcher = Watcher::with(&app, AlertSettings { limits, ..AlertSettings::default() });
        watcher.note(refresh_replayed("web"));
        watcher.note(code_replayed("web"));
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        watcher.note(code_replayed("web"));
        watcher.tick().await;
        assert_eq!(watcher.raised().await, only("code_replay", "client:web"));
    }

    async fn an_attack_on_everybody_is_not_an_alert_for_each(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 0..30 {
            for _ in 0..11 {
                watcher.note(failed_login(Some(&format!("person-{n}"))));
            }
        }
        watcher.tick().await;
        watcher.tick().await;
        let raised = watcher.raised().await;
        let accounts = raised.iter().filter(|(rule, _)| rule == "login_failures_account").count();
        assert_eq!(accounts, 10);
        assert!(raised.contains(&("login_failures".to_owned(), "all:".to_owned())));
    }

    async fn an_hour_of_normal_load_raises_none(app: TestApp) {
        let watcher = Watcher::on(&app);
        for second in (0..3600).step_by(10) {
            let address = format!("198.51.100.{}", second / 10 % 200);
            let person = format!("person-{}", second / 10 % 90);
            // Somebody mistypes each half a minute, a deployment has an old secret for a while, tokens expire.
            watcher.note_from(&address, succeeded_login(&person, second % 20 == 0, false)).await;
            if second % 30 == 0 {
                watcher.note_from(&address, failed_login(Some(&person))).await;
            }
            if second % 120 == 0 {
                watcher.note_from(&address, failed_login(None)).await;
                watcher.note_from(&address, failed_client(Some("worker"))).await;
            }
            for _ in 0..3 {
                watcher.note(decided(Decision::Allow, None));
            }
            watcher.note(decided(Decision::Unauthorized, Some("expired")));
            if second % 60 == 0 {
                watcher.note(decided(Decision::Unauthorized, Some("key_unknown")));
                assert!(watcher.tick().await);
                assert_eq!(watcher.raised().await, [], "after {second} seconds");
            }
            app.advance(10);
        }
        assert_eq!(app.recorded("alert_opened").await.len(), 0);
    }
}

/// Of an address setting that keeps nothing, an address's rule is silent rather than wrong.
#[tokio::test]
async fn without_addresses_no_address_is_blamed() {
    let app = TestApp::sqlite().await;
    let watcher = Watcher::on(&app);
    for n in 0..40 {
        watcher.note(failed_login(Some(&format!("person-{n}"))));
    }
    watcher.tick().await;
    assert_eq!(watcher.raised().await, []);
}
