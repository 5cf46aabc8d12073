//! What operators watch a server with: the counters, and the rules and the dashboard that read them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;

use crate::served::Served;

const RULES: &str = include_str!("../../../../dist/alerts.yml");
const DASHBOARD: &str = include_str!("../../../../dist/grafana.json");

fn counter(served: &Served, sample: &str) -> f64 {
    let text = served.get("/metrics").expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{sample} ")));
    line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
}

/// The counters that a text names, each with the labels that it must have one of.
fn named(text: &str) -> BTreeSet<(String, Vec<String>)> {
    let text = text.replace("\\\"", "\"");
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("aeordb_") {
        let rest = &text[at..];
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = labels.map_or("", |(labels, _)| labels).split(", ");
        let exact = labels.filter(|label| label.contains("=\"")).map(str::to_owned);
        found.insert((name.to_owned(), exact.collect()));
    }
    found
}

#[test]
fn rules_and_dashboard_ask_only_for_what_a_server_has() {
    let served = Served::with_versions();
    let samples = served.get("/metrics").expect(200).text();
    let mut seen = 0;
    for (name, labels) in named(RULES).into_iter().chain(named(DASHBOARD)) {
        let has = samples.lines().any(|line| {
            let end = line.find([' ', '{']).unwrap_or(0);
            line[..end] == name && labels.iter().all(|label| line.contains(label.as_str()))
        });
        assert!(has, "a server has no {name} {labels:?}\n{samples}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn imports_are_counted_by_how_they_ended() {
    let source = Served::with_versions();
    let export = source.get("/admin/export?snapshot=v1").expect(200).body;
    let served = Served::new();
    served.send("POST", "/admin/import?promote", &[], &export).expect(200);
    served.send("POST", "/admin/import", &[], &export[..export.len() / 2]).problem(422, "damaged");
    served.post("/admin/import", r#"{"file": "nothing.aeordb"}"#).problem(404, "not-found");
    assert_eq!(counter(&served, "aeordb_imports_total{result=\"done\"}"), 1.0);
    assert_eq!(counter(&served, "aeordb_imports_total{result=\"failed\"}"), 2.0);
}

#[test]
fn damage_that_a_verification_found_is_counted_until_one_finds_none() {
    let served = Served::with_versions();
    let verify = || {
        let job = served.post("/admin/verify", r#"{"deep": true}"#).expect(202).json();
        let place = format!("/admin/jobs/{}", job["id"].as_str().unwrap());
        served.send("GET", &place, &[("accept", "text/event-stream")], b"").expect(200);
        counter(&served, "aeordb_last_verification_damages")
    };
    assert_eq!(counter(&served, "aeordb_last_verification_timestamp_seconds"), 0.0);
    assert_eq!(verify(), 0.0);
    assert!(counter(&served, "aeordb_last_verification_timestamp_seconds") > 1.7e9);
    let path = served.path("data.aeordb");
    let sound = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let at = sound.windows(5).position(|bytes| bytes == b"alpha").unwrap();
    file.write_all_at(b"ALPHA", at as u64).unwrap();
    assert!(verify() > 0.0);
    file.write_all_at(b"alpha", at as u64).unwrap();
    assert_eq!(verify(), 0.0);
    assert_eq!(counter(&served, "aeordb_jobs_failed_total"), 0.0);
}

#[test]
fn room_on_the_disks_and_whether_the_database_can_be_written_to_are_told() {
    let served = Served::new();
    for holds in ["database", "backups"] {
        let available =
            counter(&served, &format!("aeordb_disk_available_bytes{{holds=\"{holds}\"}}"));
        let size = counter(&served, &format!("aeordb_disk_size_bytes{{holds=\"{holds}\"}}"));
        assert!(0.0 < available && available <= size, "{available} of {size}");
    }
    assert_eq!(counter(&served, "aeordb_writable"), 1.0);
    fs::rename(served.path("data.aeordb"), served.path("moved.aeordb")).unwrap();
    assert_eq!(counter(&served, "aeordb_writable"), 0.0);
    served.post("/admin/verify", "{}").expect(202);
    let job = served.send("GET", "/admin/jobs/1", &[("accept", "text/event-stream")], b"").text();
    assert!(job.contains("\"state\":\"failed\""), "{job}");
    assert_eq!(counter(&served, "aeordb_jobs_failed_total"), 1.0);
}
