//! The order in which a story is told: by time, and within one second as the events were made.
//!
//! Events of a transaction come into the table when it commits, the rest when the queue is written: neither the place
//! in a chain nor the order of rows says what came first. The number in an event's id does, among those of one process;
//! between processes only the order of a login and what follows from it can tell.

use super::Place;
use crate::domain::event::{Event, Happening, Sort};
use crate::store::events::EventRow;
use std::collections::{BTreeMap, VecDeque};

type Row = (EventRow, Place);

/// In time order; of one second, what led there comes first.
pub(super) fn in_order(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    let mut seconds: BTreeMap<(i64, bool), Vec<Row>> = BTreeMap::new();
    for row in rows {
        let second = (row.0.at, row.1 == Place::Asked);
        seconds.entry(second).or_default().push(row);
    }
    seconds.into_values().flat_map(of_one_second).collect()
}

/// Who gives the numbers: a node's requests, or what else writes under its name, such as a command. `None` gives none:
/// a decision that was read from a log, or a row of the first version.
type Maker = Option<(String, bool)>;

/// What one request made, or one event outside of requests.
struct Act {
    /// Where its earliest event stands in the course of a login.
    rank: usize,
    rows: Vec<Row>,
}

fn of_one_second(rows: Vec<Row>) -> Vec<Row> {
    let mut by_maker: BTreeMap<Maker, Vec<Row>> = BTreeMap::new();
    for row in rows {
        by_maker.entry(maker(&row.0)).or_default().push(row);
    }
    let mut waiting: Vec<VecDeque<Act>> = by_maker.into_values().map(acts).collect();
    let mut told = Vec::new();
    loop {
        let next = waiting
            .iter_mut()
            .filter(|acts| !acts.is_empty())
            .min_by_key(|acts| acts.front().map(|act| act.rank));
        match next.and_then(VecDeque::pop_front) {
            Some(act) => told.extend(act.rows),
            None => return told,
        }
    }
}

fn maker(row: &EventRow) -> Maker {
    if row.kind == "access_decided" {
        return None;
    }
    let writer = Sort::node(row.writer.as_deref()?).to_owned();
    Some((writer, row.request_id.is_some()))
}

/// The acts of one maker, as it made them.
fn acts(mut rows: Vec<Row>) -> VecDeque<Act> {
    let numbers = || rows.iter().map(|(row, _)| number(row));
    // The numbers begin anew after the last: then the low ones are the late ones.
    let begins_anew = numbers().max().unwrap_or(0) - numbers().min().unwrap_or(0) > HALF;
    let number = |row: &EventRow| match number(row) {
        low if begins_anew && low < HALF => low + Event::NUMBERS,
        number => number,
    };
    rows.sort_by_key(|(row, _)| (number(row), rank(row), row.seq, row.event_id.clone()));
    let mut acts: Vec<(Option<String>, Act)> = Vec::new();
    for row in rows {
        let rank = rank(&row.0);
        let request = row.0.request_id.clone();
        let same = acts
            .iter_mut()
            .find(|(of, _)| request.is_some() && *of == request);
        if let Some((_, act)) = same {
            act.rank = act.rank.min(rank);
            act.rows.push(row);
        } else {
            let rows = vec![row];
            acts.push((request, Act { rank, rows }));
        }
    }
    acts.into_iter().map(|(_, act)| act).collect()
}

const HALF: u32 = Event::NUMBERS / 2;

fn number(row: &EventRow) -> u32 {
    if maker(row).is_none() {
        return 0;
    }
    Event::number(&row.event_id).unwrap_or(0)
}

fn rank(row: &EventRow) -> usize {
    Happening::KINDS
        .iter()
        .position(|kind| kind.name == row.kind)
        .unwrap_or(Happening::KINDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RequestContext;
    use crate::domain::{ClientId, Subject};

    fn row(number: u32, request: &str, writer: &str, happening: Happening) -> Row {
        let event = Event {
            id: Event::make_id(7, number, u64::from(number)),
            at: 7,
            happening,
            request: RequestContext {
                request_id: Some(request.into()),
                ..RequestContext::default()
            },
            amount: None,
        };
        let row = EventRow {
            writer: Some(writer.to_owned()),
            ..EventRow::unchained(&event)
        };
        (row, Place::Asked)
    }

    fn started() -> Happening {
        let version = String::new();
        Happening::NodeStarted { version }
    }

    fn refused() -> Happening {
        Happening::ConsentRefused {
            client_id: ClientId::new("web"),
            subject: Subject::new("ada"),
        }
    }

    fn told(rows: Vec<Row>) -> Vec<(String, String)> {
        let shown = |(row, _): Row| (row.writer.unwrap_or_default(), row.kind);
        in_order(rows).into_iter().map(shown).collect()
    }

    fn as_told(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(one, other): &(&str, &str)| ((*one).to_owned(), (*other).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn what_one_node_made_stays_in_the_order_of_its_making() {
        // By kind it would be the other way round.
        let rows = vec![row(9, "r", "a", refused()), row(8, "r", "a", started())];
        let expected = [("a", "node_started"), ("a", "consent_refused")];
        assert_eq!(told(rows), as_told(&expected));
    }

    #[test]
    fn numbers_that_began_anew_are_later_than_those_before() {
        let last = Event::NUMBERS - 1;
        let rows = vec![row(0, "r", "a", refused()), row(last, "r", "a", started())];
        let expected = [("a", "node_started"), ("a", "consent_refused")];
        assert_eq!(told(rows), as_told(&expected));
    }

    #[test]
    fn between_nodes_what_comes_first_in_a_login_comes_first_and_requests_stay_whole() {
        let rows = vec![
            row(5, "later", "a", started()),
            row(900, "sooner", "b", refused()),
            row(899, "sooner", "b", started()),
        ];
        let expected = [
            ("b", "node_started"),
            ("b", "consent_refused"),
            ("a", "node_started"),
        ];
        assert_eq!(told(rows), as_told(&expected));
    }
}
