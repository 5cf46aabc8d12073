//! Snapshots, history, changes, jobs.

use serde_json::{Value, json};

use crate::served::Served;

#[test]
fn snapshots_have_metadata_and_are_listed_and_removed() {
    let served = Served::with_versions();
    let body = r#"{"name": "v0", "version": "v1", "metadata": {"who": "me"}}"#;
    let made = served.post("/admin/snapshots", body).expect(201).json();
    assert_eq!(made["metadata"], json!({ "who": "me" }));
    let page = served.get("/admin/snapshots?limit=2").expect(200).json();
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&"v0".into(), &"v1".into()));
    assert_eq!(page["items"][0]["version"], page["items"][1]["version"]);
    let page = served.get("/admin/snapshots?cursor=v1").json();
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&"v2".into(), &Value::Null));
    served.send("DELETE", "/admin/snapshots/v0", &[], b"").expect(204);
    served.send("DELETE", "/admin/snapshots/v0", &[], b"").problem(404, "not-found");
}

#[test]
fn a_snapshot_is_looked_at_renamed_changed_held_and_released() {
    let served = Served::with_versions();
    let made = served.post("/admin/snapshots", r#"{"name": "host/2026-11-01T12:00"}"#);
    let made = made.expect(201).json();
    // The slash may be encoded or not.
    for place in ["host/2026-11-01T12:00", "host%2F2026-11-01T12%3A00"] {
        let seen = served.get(&format!("/admin/snapshots/{place}")).expect(200).json();
        assert_eq!(seen, made);
    }
    let place = "/admin/snapshots/host%2F2026-11-01T12%3A00";
    let edit = r#"{"name": "host/noon", "metadata": {"who": "me", "gone": null}, "held": true}"#;
    let changed = served.post(place, edit).expect(200).json();
    assert_eq!((&changed["name"], &changed["held"]), (&"host/noon".into(), &true.into()));
    assert_eq!(changed["metadata"], json!({ "who": "me" }));
    served.get(place).problem(404, "not-found");
    let held = served.send("DELETE", "/admin/snapshots/host/noon", &[], b"").problem(409, "held");
    assert_eq!(held["name"], "host/noon");
    served.post("/admin/snapshots/v1", r#"{"name": "host/noon"}"#).problem(409, "exists");
    served.post("/admin/snapshots/v1", r#"{"name": "a b"}"#).problem(400, "invalid");
    served.post("/admin/snapshots/host/noon", r#"{"held": false}"#).expect(200);
    served.send("DELETE", "/admin/snapshots/host/noon", &[], b"").expect(204);
}

#[test]
fn history_comes_in_pages_newest_first() {
    let served = Served::with_versions();
    let all = served.get("/admin/history").expect(200).json()["items"].clone();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(all[0]["what"], "rm");
    let mut seen = Vec::new();
    let mut at = "/admin/history?limit=2".to_owned();
    loop {
        let page = served.get(&at).expect(200).json();
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => at = format!("/admin/history?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&seen, all);
}

#[test]
fn changes_between_versions_come_in_pages() {
    let served = Served::with_versions();
    let mut found = Vec::new();
    let mut at = "/admin/changes?from=v1&to=v2&limit=1".to_owned();
    loop {
        let page = served.get(&at).expect(200).json();
        for item in page["items"].as_array().unwrap() {
            let text = |name: &str| item[name].as_str().unwrap().to_owned();
            found.push((text("change"), text("path")));
        }
        match page["next"].as_str() {
            Some(next) => at = format!("/admin/changes?from=v1&to=v2&limit=1&cursor={next}"),
            None => break,
        }
    }
    let expected =
        [("modified", "/docs/a.txt"), ("added", "/docs/b.txt"), ("deleted", "/docs/gone.txt")];
    let expected: Vec<(String, String)> =
        expected.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    assert_eq!(found, expected);
    served.get("/admin/changes").problem(400, "invalid");
    for cursor in ["1", "..", "v1.v2.L2E"] {
        served.get(&format!("/admin/changes?from=v1&cursor={cursor}")).problem(400, "invalid");
    }
}

#[test]
fn pages_of_changes_are_of_the_same_two_versions_though_head_moves_on() {
    let served = Served::with_versions();
    let first = served.get("/admin/changes?from=v1&limit=1").expect(200).json();
    served.put("/files/docs/aa.txt", b"later");
    let cursor = first["next"].as_str().unwrap();
    let rest = served.get(&format!("/admin/changes?from=v1&cursor={cursor}")).expect(200).json();
    assert_eq!((&rest["from"], &rest["to"]), (&first["from"], &first["to"]));
    let paths: Vec<_> =
        rest["items"].as_array().unwrap().iter().map(|item| &item["path"]).collect();
    assert_eq!(paths, ["/docs/b.txt", "/docs/gone.txt"]);
    assert_eq!(rest["next"], Value::Null);
}

#[test]
fn changes_of_one_path_are_asked_for_alone() {
    let served = Served::with_versions();
    let one = served.get("/admin/changes?from=v1&path=/docs/a.txt").expect(200).json();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    assert_eq!(one["items"][0]["path"], "/docs/a.txt");
    served.get("/admin/changes?from=v1&path=/nothing").problem(404, "not-found");
}

#[test]
fn what_the_database_is_can_be_asked() {
    let served = Served::with_versions();
    let info = served.get("/admin/info").expect(200).json();
    assert_eq!((&info["kind"], &info["version"]), (&"database".into(), &served.head().into()));
    assert_eq!((&info["files"], &info["snapshots"]), (&2.into(), &2.into()));
}

#[test]
fn verification_and_collection_are_jobs_that_are_followed() {
    let served = Served::with_versions();
    for (path, body, member) in [
        ("/admin/verify", r#"{"deep": true}"#, "damages"),
        ("/admin/gc", r#"{"dry_run": true}"#, "entries_live"),
        ("/admin/gc", "{}", "bytes_released"),
    ] {
        let reply = served.post(path, body).expect(202);
        let place = reply.headers["location"].clone();
        let events = [("accept", "text/event-stream")];
        let events = served.send("GET", &place, &events, b"").expect(200).text();
        let last = events.lines().rfind(|line| line.starts_with("data: ")).unwrap();
        let job: Value = serde_json::from_str(&last[6..]).unwrap();
        assert_eq!(job["state"], "done", "{job}");
        assert!(!job["result"][member].is_null(), "{job}");
        assert_eq!(served.get(&place).expect(200).json(), job);
    }
    assert_eq!(served.get("/admin/jobs").json()["items"].as_array().unwrap().len(), 3);
    served.get("/admin/jobs/99").problem(404, "not-found");
    served.send("DELETE", "/admin/jobs/1", &[], b"").expect(204);
    served.get("/admin/jobs/1").problem(404, "not-found");
    assert_eq!(served.get("/files/docs/a.txt").text(), "alpha, changed");
}

#[test]
fn a_number_of_a_job_that_was_forgotten_is_not_given_again() {
    let served = Served::with_versions();
    let run = || {
        let place = served.post("/admin/verify", "{}").expect(202).headers["location"].clone();
        let events = [("accept", "text/event-stream")];
        served.send("GET", &place, &events, b"").expect(200);
        place
    };
    assert_eq!(run(), "/admin/jobs/1");
    served.send("DELETE", "/admin/jobs/1", &[], b"").expect(204);
    assert_eq!(run(), "/admin/jobs/2");
}

#[test]
fn who_may_collect_follows_and_cancels_that_and_sees_no_verification() {
    let served = Served::with_versions();
    let key = format!("Bearer {}", served.new_key("gc"));
    let call = |method: &str, path: &str| {
        let follow = [("authorization", key.as_str()), ("accept", "text/event-stream")];
        served.bare(method, path, &follow, b"")
    };
    let verification = served.post("/admin/verify", "{}").expect(202).headers["location"].clone();
    let collection = call("POST", "/admin/gc").expect(202).headers["location"].clone();
    let last = call("GET", &collection).expect(200).text();
    let last = last.lines().rfind(|line| line.starts_with("data: ")).unwrap();
    let job: Value = serde_json::from_str(&last[6..]).unwrap();
    assert_eq!(job["state"], "done", "{job}");
    let progress = &job["progress"];
    assert!(progress["files"].as_u64() > Some(0) && progress["bytes"].as_u64() > Some(0), "{job}");
    call("GET", &verification).problem(403, "forbidden");
    let jobs = call("GET", "/admin/jobs").expect(200).json();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 1);
    assert_eq!(jobs["items"][0]["kind"], "gc");
    call("DELETE", &collection).expect(204);
}

#[test]
fn whoever_started_a_job_cancels_it_and_nobody_else_but_who_may_collect() {
    let served = Served::with_versions();
    let keys = ["read", "read", "gc"].map(|scope| format!("Bearer {}", served.new_key(scope)));
    let call = |key: &str, method: &str, path: &str| {
        served.bare(method, path, &[("authorization", key)], b"")
    };
    let [one, other, collector] = keys.each_ref();
    for (starter, others, allowed) in [(one, other, one), (other, one, collector)] {
        let job = call(starter, "POST", "/admin/verify").expect(202).headers["location"].clone();
        call(others, "DELETE", &job).problem(403, "forbidden");
        // Cancelling it is not learning what it found.
        call(collector, "GET", &job).problem(403, "forbidden");
        let cancelled = call(allowed, "DELETE", &job);
        assert!(matches!(cancelled.status, 202 | 204), "{cancelled:?}");
    }
}

#[test]
fn a_collection_gives_bytes_back_while_the_server_runs() {
    let served = Served::new();
    // An upload that was cut leaves chunks that nothing reaches.
    use std::io::Write;
    let bytes = crate::served::noise(9_000_000);
    let mut stream = served.connect();
    let key = &served.key;
    write!(
        stream,
        "PUT /files/cut HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: {}\r\n\r\n",
        bytes.len() + 1
    )
    .unwrap();
    stream.write_all(&bytes).unwrap();
    drop(stream);
    served.put("/files/a", b"a");
    served.get("/files/cut").problem(404, "not-found");
    for _ in 0..200 {
        let reply = served.post("/admin/gc", "{}").expect(202);
        let events = [("accept", "text/event-stream")];
        let job = served.send("GET", &reply.headers["location"], &events, b"").text();
        let last = job.lines().rfind(|line| line.starts_with("data: ")).unwrap();
        let job: Value = serde_json::from_str(&last[6..]).unwrap();
        if job["result"]["bytes_released"].as_u64().unwrap() > 4_000_000 {
            assert_eq!(served.get("/files/a").text(), "a");
            return;
        }
    }
    panic!("nothing was released");
}
