//! Where the numbers come from.

use super::{Activity, GRANTS, Key, Named, OpenAlert, Person, Range, Slice, Tokens};
use crate::domain::Subject;
use crate::flows::{FlowError, Issuer, untrusted_proxies};
use crate::store::events::EventRow;
use crate::store::events::counts::{self, By, Counted, Stretch};
use crate::store::events::search::{self, Filter};
use crate::store::{accounts, signing_keys};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Index entries that a count over time reads, at most.
const ENTRIES_MAX: i64 = 500_000;
/// Rows that a ranking reads, at most.
const ROWS_MAX: i64 = 100_000;
/// How many are named in a ranking.
const NAMED: i64 = 10;
/// Alerts looked through for those that are open.
const ALERTS_MAX: i64 = 200;

pub(super) async fn count(issuer: &Issuer, range: Range, now: i64) -> Result<Activity, FlowError> {
    let (stretch_s, number) = range.stretches();
    let until = (now.div_euclid(stretch_s) + 1) * stretch_s;
    let since = until - stretch_s * number;
    let window = Window {
        issuer,
        since,
        until,
        stretch_s,
    };
    let mut cut_short = false;
    let mut over_time = async |kind| {
        let counted = window.over_time(kind).await?;
        let read: i64 = counted.iter().map(|stretch| stretch.rows_read).sum();
        cut_short |= read >= ENTRIES_MAX;
        Ok::<_, FlowError>(counted)
    };
    let logins = over_time("login_succeeded").await?;
    let failures = over_time("login_failed").await?;
    let single = over_time("token_issued").await?;
    let summed = over_time("tokens_issued").await?;
    // Those without a reason were allowed, and an authorizer logs only some of these.
    let denials: Vec<Stretch> = over_time("access_decided")
        .await?
        .into_iter()
        .filter(|stretch| stretch.label.is_some())
        .collect();

    let slices = (0..number)
        .map(|number| Slice {
            since: since + number * stretch_s,
            until: since + (number + 1) * stretch_s,
            logins: in_stretch(&logins, number, None),
            failures: in_stretch(&failures, number, None),
            tokens: GRANTS.map(|grant| Tokens {
                single: in_stretch(&single, number, Some(grant)),
                summed: in_stretch(&summed, number, Some(grant)),
            }),
            denials: in_stretch(&denials, number, None),
        })
        .collect();

    let mut refused = window
        .most("client_authentication_failed", By::Client)
        .await?;
    refused.extend(window.most("token_refused", By::Client).await?);
    let mut clients = window.most("token_issued", By::Client).await?;
    clients.extend(window.most("tokens_issued", By::Client).await?);
    let mut people = Vec::new();
    for (subject, count) in window.most("login_failed", By::Subject).await? {
        let account = accounts::by_subject(&issuer.store, &Subject::new(&subject)).await?;
        people.push(Person {
            subject,
            username: account.map(|account| account.username),
            count,
        });
    }
    Ok(Activity {
        range,
        since,
        until,
        counted_at: now,
        slices,
        failure_reasons: by_label(&failures),
        denial_reasons: by_label(&denials),
        denied_routes: window.most("access_decided", By::DeniedRoute).await?,
        clients: added_up(clients),
        refused_clients: added_up(refused),
        addresses: window.most("login_failed", By::Address).await?,
        accounts: people,
        alerts: open_alerts(issuer).await?,
        untrusted_proxies: untrusted_proxies::of_the_last_day(
            &issuer.store,
            &issuer.settings.trusted_proxies,
            now,
        )
        .await?,
        keys: keys(issuer).await?,
        cut_short,
    })
}

struct Window<'a> {
    issuer: &'a Issuer,
    since: i64,
    until: i64,
    stretch_s: i64,
}

impl Window<'_> {
    fn counted<'k>(&self, kind: &'k str, limit: i64) -> Counted<'k> {
        Counted {
            kind,
            since: self.since,
            until: self.until,
            limit,
        }
    }

    async fn over_time(&self, kind: &str) -> Result<Vec<Stretch>, FlowError> {
        let counted = self.counted(kind, ENTRIES_MAX);
        Ok(counts::over_time(&self.issuer.store, counted, self.stretch_s).await?)
    }

    async fn most(&self, kind: &str, by: By) -> Result<Vec<Named>, FlowError> {
        let counted = self.counted(kind, ROWS_MAX);
        Ok(counts::most(&self.issuer.store, counted, by, NAMED).await?)
    }
}

/// How many there were in one stretch, with this label or any.
fn in_stretch(counted: &[Stretch], number: i64, label: Option<&str>) -> i64 {
    counted
        .iter()
        .filter(|stretch| stretch.stretch == number)
        .filter(|stretch| label.is_none() || stretch.label.as_deref() == label)
        .map(|stretch| stretch.count)
        .sum()
}

fn by_label(counted: &[Stretch]) -> Vec<Named> {
    let named = counted
        .iter()
        .filter_map(|stretch| Some((stretch.label.clone()?, stretch.count)));
    added_up(named.collect())
}

/// One entry a name, the most frequent first.
fn added_up(named: Vec<Named>) -> Vec<Named> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (name, count) in named {
        *sums.entry(name).or_default() += count;
    }
    let mut sums: Vec<Named> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums.truncate(usize::try_from(NAMED).unwrap_or_default());
    sums
}

/// The alerts that no event resolved, newest first.
async fn open_alerts(issuer: &Issuer) -> Result<Vec<OpenAlert>, FlowError> {
    let resolved = alert_ids(issuer, "alert_resolved").await?;
    let acknowledged = alert_ids(issuer, "alert_acknowledged").await?;
    let opened = of_kind(issuer, "alert_opened").await?;
    let open = opened.into_iter().filter_map(|row| {
        let fields = row.fields();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("alert_id")?;
        (!resolved.contains(&id)).then_some(OpenAlert {
            rule: text("rule")?,
            summary: text("summary")?,
            since: row.at,
            acknowledged: acknowledged.contains(&id),
            event_id: row.event_id,
        })
    });
    Ok(open.collect())
}

async fn alert_ids(issuer: &Issuer, kind: &str) -> Result<HashSet<String>, FlowError> {
    let rows = of_kind(issuer, kind).await?;
    let ids = rows.iter().filter_map(|row| {
        let id = row.fields().get("alert_id")?.as_str()?.to_owned();
        Some(id)
    });
    Ok(ids.collect())
}

async fn of_kind(issuer: &Issuer, kind: &str) -> Result<Vec<EventRow>, FlowError> {
    let filter = Filter {
        kind: Some(kind.to_owned()),
        ..Filter::default()
    };
    Ok(search::find(&issuer.store, &filter, None, ALERTS_MAX).await?)
}

async fn keys(issuer: &Issuer) -> Result<Vec<Key>, FlowError> {
    let known = signing_keys::all(&issuer.store).await?;
    let published = known.into_iter().filter(|key| key.state != "gone");
    Ok(published
        .map(|key| Key {
            kid: key.kid,
            alg: key.algorithm,
            state: key.state,
            created_at: key.created_at,
            activates_at: key.activates_at,
        })
        .collect())
}
