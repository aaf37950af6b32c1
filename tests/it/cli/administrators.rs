//! Administrators: made, shown, recorded, and the last one.

use super::program::on_either;
use crate::support::database::recent_events;
use serde_json::json;

on_either! {
    async fn an_administrator_is_made_shown_and_recorded(program) {
        let plain = program.run(&["user", "create", "ada", "--no-password", "--json"]).json();
        assert_eq!(plain["administrator"], false);
        let grace = program.run(&["user", "create", "grace", "--no-password", "--administrator", "--json"]).json();
        assert_eq!(grace["administrator"], true);
        assert_eq!(program.run(&["user", "show", "grace", "--json"]).json()["administrator"], true);
        assert!(program.run(&["user", "show", "grace"]).succeeds().contains("administrator  yes"));
        assert!(!program.run(&["user", "show", "ada"]).succeeds().contains("administrator"));
        let list = program.run(&["user", "list", "--json"]).json();
        let roles: Vec<_> = list["users"].as_array().unwrap().iter().map(|user| &user["administrator"]).collect();
        assert_eq!(roles, [&json!(false), &json!(true)]);
        let text = program.run(&["user", "list"]);
        assert_eq!(text.succeeds().matches("administrator").count(), 1, "{}", text.stdout);

        let renamed = program.run(&["user", "update", "ada", "--username", "countess", "--administrator", "true", "--json"]).json();
        assert_eq!((&renamed["username"], &renamed["administrator"]), (&json!("countess"), &json!(true)));
        program.run(&["user", "update", "countess", "--administrator", "perhaps"]).fails(2, &["--administrator"]);
        let again = program.run(&["user", "update", "countess", "--administrator", "true", "--json"]).json();
        assert_eq!(again["administrator"], true);

        let recorded = recent_events(&program.store().await).await;
        let acts: Vec<&str> = recorded.iter().filter_map(|(_, detail)| detail["what"].as_str()).collect();
        assert_eq!(acts.iter().filter(|what| **what == "administrator_granted").count(), 1, "{acts:?}");
        let created = recorded.iter().find(|(_, detail)| detail["target"] == grace["sub"]).unwrap();
        assert_eq!(created.1["after"]["administrator"], true);
    }

    async fn the_last_administrator_may_go_and_that_is_said(program) {
        for name in ["grace", "ada"] {
            program.run(&["user", "create", name, "--no-password", "--administrator"]).succeeds();
        }
        let one_left = program.run(&["user", "update", "grace", "--administrator", "false"]);
        one_left.succeeds();
        assert!(!one_left.stderr.contains("nobody is an administrator"), "{}", one_left.stderr);
        let none_left = program.run(&["user", "update", "ada", "--administrator", "false"]);
        none_left.succeeds();
        assert!(none_left.stderr.contains("nobody is an administrator now"), "{}", none_left.stderr);
        program.run(&["user", "update", "ada", "--administrator", "true"]).succeeds();
        let deleted = program.run(&["user", "delete", "ada"]);
        deleted.succeeds();
        assert!(deleted.stderr.contains("nobody is an administrator now"), "{}", deleted.stderr);
        let other = program.run(&["user", "delete", "grace"]);
        other.succeeds();
        assert_eq!(other.stderr, "");
    }

    async fn a_change_of_what_somebody_may_do_ends_their_sessions(program) {
        program.machine("worker");
        let grace = program.user("grace");
        let store = program.store().await;
        crate::cli::users::sign_in(&store, grace["sub"].as_str().unwrap(), "laptop").await;
        let said = program.run(&["user", "update", "grace", "--administrator", "true", "--json"]).json();
        assert_eq!(said["sessions_ended"], 1);
        assert_eq!(program.run(&["user", "sessions", "grace", "--json"]).json(), json!({"sessions": []}));
    }
}
