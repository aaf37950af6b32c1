//! What a refresh does takes the same work however many families its client has, and however old its own is.

use super::plans::{placeholders, plan_for_every_value};
use crate::support::database::plan;
use crate::support::on_both_databases;
use gatewright::store::refresh_tokens::{self, rows};
use gatewright::store::{Backend, Param};

/// Families of one client, each with a row of version 0.1.
const FAMILIES: i64 = 20_000;

on_both_databases! {
    async fn a_family_is_found_by_its_key_alone(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let store = &app.issuer.store;
        let end = app.now() + 1000;
        let fill = "
            INSERT INTO token_family (family_id, client_id, subject, grant_detail, created_at, expires_at, generation,
                                      live_digest, live_expires_at)
            WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $3)
            SELECT 'family-' || CAST(i AS TEXT), 'web', CAST($1 AS TEXT), '{}', 0, CAST($2 AS BIGINT), 1,
                   'digest-' || CAST(i AS TEXT), CAST($2 AS BIGINT)
              FROM n";
        let params = vec![Param::from(ada.subject.as_str()), Param::from(end), Param::from(FAMILIES)];
        store.execute(fill, params).await.unwrap();
        let fill = "
            INSERT INTO refresh_token (token_digest, family_id, created_at, expires_at)
            SELECT live_digest, family_id, created_at, expires_at FROM token_family";
        store.execute(fill, vec![]).await.unwrap();
        store.execute("ANALYZE", vec![]).await.unwrap();
        let mut looked_at = 0;
        for sql in refresh_tokens::STATEMENTS.iter().chain(rows::STATEMENTS) {
            let by_key = ["family_id = $1", "token_digest = $1"].iter().any(|key| sql.contains(key));
            if !by_key {
                continue;
            }
            looked_at += 1;
            let plan = match store.backend() {
                Backend::Sqlite => plan(store, sql, vec![]).await,
                Backend::Postgres => plan_for_every_value(store, sql, placeholders(sql)).await,
            };
            // There is one account, which is read as a whole for that.
            let scans = |line: &str| {
                line.contains("Seq Scan") && !line.contains("Seq Scan on account")
                    || line.starts_with("SCAN ") && !["SCAN CONSTANT ROW", "SCAN a"].contains(&line)
            };
            let reads_all = plan.lines().any(scans);
            assert!(!reads_all, "{sql}\n{plan}");
            let by_client = plan.contains("client_id=?") || plan.contains("token_family_client");
            assert!(!by_client, "by the client's families: {sql}\n{plan}");
        }
        assert_eq!(looked_at, 11);
    }
}
