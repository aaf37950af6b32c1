//! The story behind an id, as the program tells it.

use super::program::on_either;
use serde_json::Value;

const LINE: &str = r#"{"timestamp":"2026-11-26T10:00:00Z","level":"INFO","fields":{"message":"decision","decision":"deny","reason":"insufficient_scope","missing":"orders:write","request_id":"call-9","method":"POST","client":"worker","jti":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},"target":"gatewright::decision"}"#;

on_either! {
    async fn a_call_is_explained_from_a_log_as_words_and_as_json(program) {
        program.machine("worker");
        let log = program.file("decisions.log", &format!("START RequestId: 1\n{LINE}\n"));
        let said = program.run(&["explain", "call-9", "--decisions", &log]);
        let words = said.succeeds();
        for part in ["What happened\n", "client worker called POST: denied, insufficient_scope", "Why\n", "it lacks orders:write",
            "What to do\n", "gatewright client update worker --scope", "What isn't known\n"] {
            assert!(words.contains(part), "{part:?} is not in: {words}");
        }
        let story = program.run_with(&["explain", "call-9", "--decisions", "-", "--json"], LINE).json();
        assert_eq!(story["story"][0]["event"]["detail"]["missing"], serde_json::json!(["orders:write"]));
        assert!(!story["remedies"].as_array().unwrap().is_empty() && !story["why"].as_array().unwrap().is_empty());
        assert!(story["unknown"].as_array().is_some_and(|unknown| unknown.iter().all(Value::is_string)));
    }

    async fn an_id_that_nobody_knows_fails_with_what_to_look_at(program) {
        program.machine("worker");
        program.run(&["explain", "-nothing"]).fails(1, &["no event has the id", "events.retention_days", "--decisions"]);
        program.run(&["explain", "x", "--policy", "nowhere.toml"]).fails(2, &["nowhere.toml can't be read"]);
    }
}
