//! The order of service, without any time.

use super::{CHARGE, FairQueue, Joined, Lanes, Waiter};

const ROOM: usize = 18;
const AT_ONCE: usize = 2;

fn stranger(address: usize, name: &str) -> Waiter {
    Waiter::stranger(&format!("198.51.100.{address}"), name)
}

/// Serves one; its label.
fn serve(queue: &mut FairQueue<String>) -> Option<String> {
    let (waiter, label) = queue.next()?;
    queue.end(&waiter);
    Some(label)
}

fn place_of(queue: &mut FairQueue<String>, label: &str) -> usize {
    let mut before = 0;
    while serve(queue).unwrap() != label {
        before += 1;
    }
    before
}

fn full_of(waiter: impl Fn(usize) -> Waiter) -> FairQueue<String> {
    let mut queue = FairQueue::new(ROOM, AT_ONCE);
    for number in 0..80 {
        queue.join(waiter(number), format!("hostile {number}"));
    }
    assert!(queue.is_full());
    queue
}

#[test]
fn whoever_repeats_one_name_waits_behind_everybody_else() {
    for address in [1, 2] {
        let mut queue = full_of(|_| stranger(1, "nobody"));
        let joined = queue.join(stranger(address, "ada"), "ada".to_owned());
        assert_eq!(
            joined,
            Joined::InsteadOf("hostile 17".to_owned()),
            "{address}"
        );
        // From the same address, half of those that were there before come first; from another, one does at most.
        let most = if address == 1 { ROOM / 2 } else { 1 };
        assert!(place_of(&mut queue, "ada") <= most, "{address}");
    }
}

#[test]
fn one_name_from_many_addresses_waits_behind_other_names() {
    let mut queue = full_of(|number| stranger(number, "nobody"));
    let joined = queue.join(stranger(99, "ada"), "ada".to_owned());
    assert!(matches!(joined, Joined::InsteadOf(_)), "{joined:?}");
    assert!(place_of(&mut queue, "ada") <= 1);
}

#[test]
fn a_newcomer_comes_before_all_who_come_again() {
    let mut queue = FairQueue::new(ROOM, AT_ONCE);
    for number in 0..ROOM {
        queue.join(stranger(number, &format!("name {number}")), String::new());
    }
    // Each who was served asks again at once.
    for round in 0..200 {
        let (waiter, _) = queue.next().unwrap();
        queue.end(&waiter);
        queue.join(waiter, String::new());
        if round % 20 == 19 {
            let newcomer = stranger(1000 + round, &format!("newcomer {round}"));
            let label = format!("newcomer {round}");
            let joined = queue.join(newcomer, label.clone());
            assert_ne!(joined, Joined::Refused(label.clone()), "{round}");
            assert!(place_of(&mut queue, &label) <= ROOM / 3, "{round}");
        }
    }
}

#[test]
fn nobody_waits_for_ever_behind_newcomers() {
    let mut queue = FairQueue::new(ROOM, AT_ONCE);
    for _ in 0..2 {
        queue.join(stranger(1, "ada"), "ada".to_owned());
    }
    assert_eq!(serve(&mut queue).as_deref(), Some("ada"));
    let mut served = 0;
    loop {
        while queue.len() < ROOM - 1 {
            served += 1;
            queue.join(
                stranger(10 + served, &format!("name {served}")),
                String::new(),
            );
        }
        if serve(&mut queue).unwrap() == "ada" {
            break;
        }
        assert!(served < 4 * ROOM, "ada waits for ever");
    }
}

#[test]
fn the_one_that_would_come_last_goes_and_nobody_is_charged_for_that() {
    let mut queue = full_of(|_| stranger(1, "nobody"));
    for _ in 0..1000 {
        let refused = queue.join(stranger(1, "nobody"), "again".to_owned());
        assert_eq!(refused, Joined::Refused("again".to_owned()));
    }
    assert_eq!(queue.len(), ROOM);
    while queue.len() > ROOM - 4 {
        serve(&mut queue);
    }
    // Its next place is right behind its last, not a thousand further.
    let last = queue.comes_last();
    queue.join(stranger(1, "nobody"), "next".to_owned());
    assert!(queue.comes_last() - last <= 2 * CHARGE);
}

#[test]
fn one_address_and_one_name_are_served_so_many_at_once() {
    for (address, name) in [(1, "other"), (2, "nobody")] {
        let mut queue = full_of(|_| stranger(1, "nobody"));
        let served: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(served.len(), AT_ONCE);
        queue.join(stranger(address, name), "same".to_owned());
        assert!(queue.next().is_none());
        queue.join(stranger(2, "ada"), "ada".to_owned());
        assert_eq!(queue.next().unwrap().1, "ada");
        queue.end(&served[0].0);
        assert!(queue.next().is_some());
    }
}

#[test]
fn known_browsers_have_every_second_turn_and_room_of_their_own() {
    let mut lanes = Lanes::new(ROOM, ROOM);
    for number in 0..80 {
        let waiter = stranger(number, &format!("name {number}"));
        lanes.of(&waiter).join(waiter.clone(), "stranger");
    }
    for number in 0..3 {
        let waiter = Waiter::known(&format!("device {number}"), "ada");
        assert_eq!(
            lanes.of(&waiter).join(waiter.clone(), "known"),
            Joined::Taken
        );
    }
    let order: Vec<_> = std::iter::from_fn(|| lanes.next())
        .map(|(_, label)| label)
        .take(8)
        .collect();
    let (known, other) = ("known", "stranger");
    assert_eq!(
        order,
        [known, other, known, other, known, other, other, other]
    );
}

#[test]
fn those_who_left_make_room_and_what_is_remembered_stays_small() {
    let mut queue = full_of(|number| stranger(number, &format!("name {number}")));
    queue.without(|label| label != "hostile 3");
    assert_eq!(queue.len(), 1);
    for number in 0..100_000 {
        queue.join(stranger(number, &format!("name {number}")), String::new());
        if number % 5 > 0 {
            serve(&mut queue);
        }
        assert!(queue.shares.len() <= 8 * ROOM, "{}", queue.shares.len());
    }
    while serve(&mut queue).is_some() {}
    assert!(queue.shares.is_empty());
}
