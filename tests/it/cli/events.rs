//! Searching, following, verifying, exporting and importing events from a shell.

use super::program::{Program, on_either};
use serde_json::{Value, json};

const DECISION: &str = r#"{"timestamp":"2026-11-26T10:00:00.5Z","level":"INFO","fields":{"message":"decision","decision":"deny","reason":"insufficient_scope","rule":"orders-write","request_id":"api-1","trace_id":"1-5759e988-bd862e3fe1be46a994272793","method":"POST","client":"worker"},"target":"gatewright::decision"}"#;

fn search(program: &Program, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["events", "search", "--json"];
    args.extend(more);
    let found = program.run(&args).json();
    found["events"].as_array().unwrap().clone()
}

on_either! {
    async fn administration_is_found_and_followed(program) {
        program.machine("worker");
        let ada = program.user("ada");
        let made = search(&program, &["--kind", "administration", "--since", "1h"]);
        let mut whats: Vec<&str> = made.iter().map(|event| event["detail"]["what"].as_str().unwrap()).collect();
        whats.sort_unstable();
        assert_eq!(whats, ["client_created", "user_created"]);
        assert!(made.iter().any(|event| event["detail"]["target"] == ada["sub"]));
        assert!(search(&program, &["--kind", "administration", "--until", "1h"]).is_empty());

        let tail = program.run(&["events", "tail", "--once", "--kind", "administration"]);
        let lines: Vec<&str> = tail.succeeds().lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().any(|line| line.contains("client_created")), "{lines:?}");

        program.run(&["events", "search", "--kind", "login_fialed"]).fails(2, &["login_failed"]);
        program.run(&["events", "search", "--since", "yesterday"]).fails(2, &["15m"]);
        program.run(&["events", "search", "--cursor", "x"]).fails(2, &["begin again"]);
        program.run(&["events", "search", "--user", "nobody"]).fails(1, &["gatewright user list"]);
    }

    async fn pages_follow_each_other(program) {
        for name in ["a", "b", "c"] {
            program.machine(name);
        }
        let args = ["events", "search", "--kind", "administration", "--limit", "2", "--json"];
        let first = program.run(&args).json();
        let next = first["next"].as_str().unwrap();
        let mut again = args.to_vec();
        again.extend(["--cursor", next]);
        let second = program.run(&again).json();
        assert_eq!((first["events"].as_array().unwrap().len(), second["events"].as_array().unwrap().len()), (2, 1));
        let mut targets: Vec<&Value> = [&first, &second].iter().flat_map(|page| page["events"].as_array().unwrap()).map(|event| &event["detail"]["target"]).collect();
        targets.sort_by_key(|target| target.as_str());
        assert_eq!(targets, ["a", "b", "c"]);
        assert_eq!(second.get("next"), None);
    }

    async fn what_somebody_changed_in_the_database_is_named(program) {
        program.machine("worker");
        program.user("ada");
        let verified = program.run(&["events", "verify"]);
        assert!(verified.succeeds().contains("as they were written"), "{}", verified.stdout);

        let exported = program.run(&["events", "export"]);
        let lines: Vec<Value> = exported.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() >= 2);
        let mut own: Vec<&Value> = lines.iter().filter(|line| line["writer"] != "test").collect();
        own.sort_by_key(|line| line["seq"].as_i64());
        let last = own[own.len() - 1];
        let kept = program.file("heads.log", &format!(
            "2026-11-26T10:00:00.000Z  INFO gatewright::event_head: signed writer={} seq={} hash={}\n",
            last["writer"].as_str().unwrap(), last["seq"], last["hash"].as_str().unwrap()
        ));
        program.run(&["events", "verify", "--heads", &kept]).succeeds();

        let store = program.store().await;
        let id = last["event_id"].as_str().unwrap();
        store.execute("UPDATE event SET detail = '{}' WHERE event_id = $1", vec![id.into()]).await.unwrap();
        let verified = program.run(&["events", "verify", "--json"]);
        assert_eq!(verified.code, 1);
        let report: Value = serde_json::from_str(&verified.stdout).unwrap();
        assert!(report["faults"][0].as_str().unwrap().contains(id), "{report}");

        // Cut off, with the end moved: the kept copy tells.
        store.execute("DELETE FROM event WHERE event_id = $1", vec![id.into()]).await.unwrap();
        let before = own[own.len() - 2]["hash"].as_str().unwrap();
        let cut = "UPDATE event_writer SET seq = seq - 1, hash = $1 WHERE writer <> 'test'";
        store.execute(cut, vec![before.into()]).await.unwrap();
        program.run(&["events", "verify"]).succeeds();
        let verified = program.run(&["events", "verify", "--heads", &kept]);
        assert_eq!(verified.code, 1);
        assert!(verified.stdout.contains("signed end"), "{}", verified.stdout);
        let empty = program.file("empty.log", "nothing\n");
        program.run(&["events", "verify", "--heads", &empty]).fails(2, &["gatewright::event_head"]);
    }

    async fn a_row_in_no_chain_is_found_though_a_setting_was_removed(program) {
        program.machine("worker");
        let store = program.store().await;
        let plant = "INSERT INTO event (event_id, kind, severity, at, detail) VALUES ('planted', 'login_succeeded', 'info', 4000000000, '{}')";
        store.execute(plant, vec![]).await.unwrap();
        store.execute("DELETE FROM setting WHERE name = 'events_chained_since'", vec![]).await.unwrap();
        for _ in 0..2 {
            let verified = program.run(&["events", "verify"]);
            assert_eq!(verified.code, 1);
            for words in ["event planted was not written by any node", "events_chained_since is missing"] {
                assert!(verified.stdout.contains(words), "{}", verified.stdout);
            }
        }
    }

    async fn an_authorizers_decisions_are_brought_in_once(program) {
        program.machine("worker");
        let log = program.file("decisions.log", &format!("START RequestId: x\n{DECISION}\n{{\"a\":1}}\n"));
        let imported = program.run(&["events", "import", &log, "--json"]).json();
        assert_eq!(imported, json!({"added": 1, "known": 0, "left_out": 0, "passed_over": 2}));
        let imported = program.run_with(&["events", "import", "-", "--json"], &format!("stream/1 {DECISION}\n{DECISION}")).json();
        assert_eq!(imported, json!({"added": 0, "known": 2, "left_out": 0, "passed_over": 0}));
        let found = search(&program, &["--request-id", "api-1"]);
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["detail"]["reason"], &found[0]["client_id"]), (&json!("insufficient_scope"), &json!("worker")));
        assert_eq!(search(&program, &["--trace-id", "5759e988bd862e3fe1be46a994272793"]).len(), 1);
        program.run(&["events", "import", "no-such-file"]).fails(2, &["check the path"]);
        program.run(&["events", "verify"]).succeeds();
    }
}
