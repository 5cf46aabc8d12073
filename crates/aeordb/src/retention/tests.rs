use super::*;

const HOUR: i64 = 3600 * 1_000_000_000;
const DAY: i64 = 24 * HOUR;
/// 2026-11-29T12:00:00Z, a Sunday.
const NOW: i64 = 1_795_953_600 * 1_000_000_000;

fn state(sequence: u64, time: i64) -> Candidate {
    Candidate { sequence, time, held: false, group: Vec::new() }
}

/// One a day, newest first, ending today.
fn days(count: u64) -> Vec<Candidate> {
    (0..count).map(|n| state(count - n, NOW - i64::try_from(n).unwrap() * DAY)).collect()
}

/// The positions of those that stay.
fn kept(rules: &Rules, states: &[Candidate]) -> Vec<usize> {
    let reasons = rules.judge(states, NOW, &TimeZone::UTC).unwrap();
    (0..states.len()).filter(|at| !reasons[*at].is_empty()).collect()
}

#[test]
fn each_rule_keeps_the_newest_of_its_buckets() {
    let states = days(400);
    let daily = Rules { daily: 3, ..Rules::default() };
    assert_eq!(kept(&daily, &states), [0, 1, 2]);
    // Weeks begin on Mondays: the Sunday is the newest of its week.
    let weekly = Rules { weekly: 3, ..Rules::default() };
    assert_eq!(kept(&weekly, &states), [0, 7, 14]);
    let monthly = Rules { monthly: 3, ..Rules::default() };
    assert_eq!(kept(&monthly, &states), [0, 29, 60]);
    // Two years are there; the third that the rule could count is the oldest state.
    let yearly = Rules { yearly: 3, ..Rules::default() };
    assert_eq!(kept(&yearly, &states), [0, 333, 399]);
    let reasons = yearly.judge(&states, NOW, &TimeZone::UTC).unwrap();
    assert_eq!(
        (&reasons[333], &reasons[399]),
        (&vec!["yearly".into()], &vec!["oldest yearly".into()])
    );
    let last = Rules { last: 2, ..Rules::default() };
    assert_eq!(kept(&last, &states), [0, 1]);
    let all = Rules { daily: UNLIMITED, ..Rules::default() };
    assert_eq!(kept(&all, &states).len(), 400);
    let within = Rules { within: Some("2d".into()), ..Rules::default() };
    assert_eq!(kept(&within, &states), [0, 1, 2]);
}

#[test]
fn hours_without_a_state_do_not_count_and_zones_decide_days() {
    let states = [state(4, NOW), state(3, NOW - HOUR / 2), state(2, NOW - 50 * HOUR), state(1, 0)];
    assert_eq!(kept(&Rules { hourly: 3, ..Rules::default() }, &states), [0, 1, 2]);
    // 23:30 and 00:30 in Berlin are two days, in UTC one.
    let night = [state(2, NOW + 11 * HOUR + HOUR / 2), state(1, NOW + 10 * HOUR + HOUR / 2)];
    let rules = Rules { daily: 1, ..Rules::default() };
    let (berlin, now) = (TimeZone::get("Europe/Berlin").unwrap(), NOW + DAY);
    assert_eq!(
        bucket("daily", night[0].time, &TimeZone::UTC),
        bucket("daily", night[1].time, &TimeZone::UTC)
    );
    assert_ne!(bucket("daily", night[0].time, &berlin), bucket("daily", night[1].time, &berlin));
    assert_eq!(rules.judge(&night, now, &berlin).unwrap()[1], Vec::<String>::new());
}

#[test]
fn a_clock_that_jumped_removes_nothing_that_a_count_keeps() {
    // The third state was made with the clock in 2099, the newest with it in 1970.
    let states = [state(4, 0), state(3, NOW), state(2, NOW + 70 * 365 * DAY), state(1, NOW - DAY)];
    assert_eq!(kept(&Rules { last: 2, ..Rules::default() }, &states), [0, 1]);
    assert_eq!(kept(&Rules { daily: 2, ..Rules::default() }, &states), [0, 1]);
    // Seen from the newest, all others are younger than an hour.
    assert_eq!(kept(&Rules { within: Some("1h".into()), ..Rules::default() }, &states).len(), 4);
    // Seen from a newest in the future it would be nothing: now is older.
    let ahead = [state(2, NOW + 70 * 365 * DAY), state(1, NOW - HOUR)];
    assert_eq!(kept(&Rules { within: Some("2h".into()), ..Rules::default() }, &ahead), [0, 1]);
}

#[test]
fn held_states_stay_and_groups_are_judged_apart() {
    let mut states = days(4);
    states[3].held = true;
    assert_eq!(kept(&Rules { last: 1, ..Rules::default() }, &states), [0, 3]);
    states[2].group = vec!["other".into()];
    assert_eq!(kept(&Rules { last: 1, ..Rules::default() }, &states), [0, 2, 3]);
}

#[test]
fn rules_that_keep_nothing_or_mean_nothing_are_refused() {
    for rules in [
        Rules::default(),
        Rules { last: -2, daily: 1, ..Rules::default() },
        Rules { within: Some("soon".into()), ..Rules::default() },
    ] {
        assert!(rules.judge(&[], NOW, &TimeZone::UTC).is_err(), "{rules:?}");
    }
}

/// Numbers that repeat with the seed.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn whatever_the_times_are_counts_hold_and_more_rules_never_keep_less() {
    let mut seed = 7;
    for _ in 0..500 {
        let len = 1 + random(&mut seed) % 40;
        let mut states: Vec<Candidate> = (0..len)
            .map(|n| {
                // Now and then the clock is anywhere.
                let time = match random(&mut seed) % 8 {
                    0 => i64::try_from(random(&mut seed)).unwrap() << 31,
                    _ => NOW - i64::try_from(random(&mut seed) % 2000).unwrap() * HOUR,
                };
                Candidate { held: random(&mut seed).is_multiple_of(9), ..state(n + 1, time) }
            })
            .collect();
        let count = |seed: &mut u64| i64::try_from(random(seed) % 6).unwrap() - 1;
        let few = Rules { daily: count(&mut seed), last: 1, ..Rules::default() };
        let more = Rules {
            last: 1 + i64::try_from(random(&mut seed) % 5).unwrap(),
            weekly: count(&mut seed),
            within: random(&mut seed).is_multiple_of(2).then(|| "30d".to_owned()),
            ..few.clone()
        };
        let (stay, stay_more) = (kept(&few, &states), kept(&more, &states));
        assert!(stay.iter().all(|at| stay_more.contains(at)), "{few:?} {more:?} {states:?}");
        // The newest by number are there, as many as `last` says, and all that are held.
        for (at, one) in states.iter().enumerate() {
            let counted = i64::try_from(len - one.sequence).unwrap() < more.last;
            assert!(!(counted || one.held) || stay_more.contains(&at), "{more:?} {states:?}");
        }
        // Once what goes has gone, nothing else does.
        let reasons = more.judge(&states, NOW, &TimeZone::UTC).unwrap();
        let mut left = reasons.iter();
        states.retain(|_| !left.next().unwrap().is_empty());
        let again = kept(&more, &states);
        assert_eq!(again.len(), states.len(), "{more:?} {states:?}");
    }
}
