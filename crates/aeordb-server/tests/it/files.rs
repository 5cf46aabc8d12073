//! Files by path.

use serde_json::{Value, json};

use crate::served::{Served, noise};

#[test]
fn a_file_is_put_replaced_read_and_removed() {
    let served = Served::new();
    let reply = served.send("PUT", "/files/docs/a.json", &[], b"{}").expect(201);
    let made = reply.json();
    assert_eq!(made["path"], "/docs/a.json");
    assert_eq!(made["size"], 2);
    assert_eq!(made["content_hash"], blake3::hash(b"{}").to_string());
    assert_eq!(made["version"], served.head());

    let read = served.get("/files/docs/a.json").expect(200);
    assert_eq!(read.text(), "{}");
    assert_eq!(read.headers["content-type"], "application/json");
    assert_eq!(read.headers["etag"], format!("\"{}\"", blake3::hash(b"{}")));
    assert!(read.headers["last-modified"].ends_with(" GMT"));

    let kind = [("content-type", "text/plain")];
    served.send("PUT", "/files/docs/a.json", &kind, b"[]").expect(200);
    served.send("PUT", "/files/docs/a.json", &[], b"[1]").expect(200);
    let read = served.get("/files/docs/a.json").expect(200);
    assert_eq!(
        (read.text().as_str(), read.headers["content-type"].as_str()),
        ("[1]", "text/plain")
    );

    let head = served.send("HEAD", "/files/docs/a.json", &[], b"").expect(200);
    assert_eq!((head.headers["content-length"].as_str(), head.body.len()), ("3", 0));

    served.send("DELETE", "/files/docs/a.json", &[], b"").expect(204);
    served.get("/files/docs/a.json").problem(404, "not-found");
    served.send("DELETE", "/files/docs/a.json", &[], b"").problem(404, "not-found");
}

#[test]
fn putting_the_same_again_makes_no_version() {
    let served = Served::new();
    served.put("/files/a", b"same");
    let head = served.head();
    assert_eq!(served.put("/files/a", b"same")["version"], head);
    assert_eq!(served.head(), head);
}

#[test]
fn files_of_any_size_come_back_and_parts_of_them_do() {
    let served = Served::new();
    let bytes = noise(9_000_000);
    for len in [0, 1, 65_536, 65_537, 300_000, bytes.len()] {
        let body = &bytes[..len];
        let made = served.put("/files/f", body);
        assert_eq!(made["content_hash"], blake3::hash(body).to_string());
        assert!(served.get("/files/f").expect(200).body == body, "{len} bytes");
    }
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=4000000-5000000", 4_000_000..5_000_001),
        ("bytes=8999990-", 8_999_990..9_000_000),
        ("bytes=-5", 8_999_995..9_000_000),
    ] {
        let reply = served.send("GET", "/files/f", &[("range", range)], b"").expect(206);
        assert!(reply.body == bytes[part.clone()], "{range}");
        let shown = format!("bytes {}-{}/9000000", part.start, part.end - 1);
        assert_eq!(reply.headers["content-range"], shown);
    }
    let beyond = served.send("GET", "/files/f", &[("range", "bytes=9000000-")], b"");
    assert_eq!(beyond.headers["content-range"], "bytes */9000000");
    beyond.problem(416, "range");
    let other = [("range", "bytes=0-0"), ("if-range", "\"other\"")];
    assert_eq!(served.send("GET", "/files/f", &other, b"").expect(200).body.len(), bytes.len());
}

#[test]
fn conditions_hold_or_nothing_happens() {
    let served = Served::new();
    served.put("/files/a", b"one");
    let one = format!("\"{}\"", blake3::hash(b"one"));
    let put = |headers: &[(&str, &str)], body: &[u8]| served.send("PUT", "/files/a", headers, body);
    put(&[("if-none-match", "*")], b"two").problem(412, "changed");
    put(&[("if-match", "\"other\"")], b"two").problem(412, "changed");
    put(&[("if-match", &one)], b"two").expect(200);
    put(&[("if-match", &one)], b"three").problem(412, "changed");
    served.send("DELETE", "/files/a", &[("if-match", &one)], b"").problem(412, "changed");
    assert_eq!(served.get("/files/a").text(), "two");
    let two = format!("\"{}\"", blake3::hash(b"two"));
    let fresh = served.send("GET", "/files/a", &[("if-none-match", &two)], b"").expect(304);
    assert!(fresh.body.is_empty());
    served.send("GET", "/files/a", &[("if-match", &one)], b"").problem(412, "changed");
    served.send("PUT", "/files/new", &[("if-match", "*")], b"x").problem(412, "changed");
    served.send("PUT", "/files/new", &[("if-none-match", "*")], b"x").expect(201);
}

#[test]
fn earlier_versions_are_read_by_version_and_by_snapshot() {
    let served = Served::with_versions();
    assert_eq!(served.get("/files/docs/a.txt?snapshot=v1").expect(200).text(), "alpha");
    assert_eq!(served.get("/files/docs/gone.txt?version=v1").expect(200).text(), "gone");
    assert_eq!(served.get("/files/docs/a.txt?version=HEAD").expect(200).text(), "alpha, changed");
    served.get("/files/docs/a.txt?snapshot=v3").problem(404, "not-found");
    served.get("/files/docs/a.txt?snapshot=v1&version=v1").problem(400, "invalid");
    served.get("/files/docs/a.txt?verson=v1").problem(400, "invalid");
}

#[test]
fn paths_that_cannot_be_meant_are_refused() {
    let served = Served::new();
    let long = format!("/files/{}", "x".repeat(256));
    let deep = format!("/files{}", "/xxxxxxx".repeat(600));
    for path in [
        "/files//a",
        "/files/a//b",
        "/files/./a",
        "/files/a/..",
        "/files/a%00b",
        "/files/a%2",
        "/files/%2e%2e/a",
        &long,
        &deep,
    ] {
        served.send("PUT", path, &[], b"x").problem(400, "invalid");
        served.get(path).problem(400, "invalid");
    }
    served.put("/files/file", b"x");
    served.send("PUT", "/files/file/below", &[], b"x").problem(400, "invalid");
    served.put("/files/dir/file", b"x");
    served.send("PUT", "/files/dir", &[], b"x").problem(409, "exists");
    served.send("DELETE", "/files/dir", &[], b"").problem(400, "invalid");
    served.send("DELETE", "/files/dir?recursive", &[], b"").expect(204);
}

#[test]
fn names_of_any_bytes_make_the_round_trip() {
    let served = Served::new();
    for (url, name) in
        [("%FFx%20%25", None), ("gr%C3%BC%C3%9Fe", Some("grüße")), ("a+b", Some("a+b"))]
    {
        let path = format!("/files/d/{url}");
        served.put(&path, url.as_bytes());
        assert_eq!(served.get(&path).expect(200).text(), url);
        if let Some(name) = name {
            assert_eq!(served.get(&format!("{path}?stat")).json()["path"], format!("/d/{name}"));
        }
    }
    let items = served.get("/files/d/").expect(200).json();
    let raw = items["items"].as_array().unwrap().iter().find(|item| item["name_b64"].is_string());
    assert_eq!(raw.unwrap()["name_b64"], "/3ggJQ==");
}

#[test]
fn a_directory_is_listed_in_pages_by_name_and_by_prefix() {
    let served = Served::new();
    let changes: Vec<Value> = (0..25)
        .map(|n| json!({ "op": "put", "path": format!("/d/f{n:02}"), "content": "x" }))
        .chain([json!({ "op": "put", "path": "/d/sub/deep/x", "content": "x" })])
        .collect();
    served.post("/batch", &json!({ "changes": changes }).to_string()).expect(200);
    let reply = served.get("/files/d/?limit=2").expect(200);
    assert_eq!(reply.members(), ["items", "next"]);
    let item = reply.json()["items"][0].clone();
    let members: Vec<&String> = item.as_object().unwrap().keys().collect();
    assert_eq!(&members[..6], ["name", "kind", "size", "modified", "content_type", "hash"]);

    let all = |path: &str, member: &str| {
        let mut names: Vec<String> = Vec::new();
        let mut at = path.to_owned();
        loop {
            let page = served.get(&at).expect(200).json();
            let items = page["items"].as_array().unwrap();
            names.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => at = format!("{path}&cursor={next}"),
                None => return names,
            }
        }
    };
    let mut expected: Vec<String> = (0..25).map(|n| format!("f{n:02}")).collect();
    expected.push("sub".into());
    for limit in [1, 7, 26, 100] {
        assert_eq!(all(&format!("/files/d/?limit={limit}"), "name"), expected);
    }
    assert_eq!(all("/files/d/?prefix=f1&limit=3", "name"), expected[10..20]);
    let mut below: Vec<String> = (0..25).map(|n| format!("/d/f{n:02}")).collect();
    below.extend(["/d/sub".into(), "/d/sub/deep".into(), "/d/sub/deep/x".into()]);
    for limit in [1, 2, 26, 100] {
        assert_eq!(all(&format!("/files/d/?recursive&limit={limit}"), "path"), below);
        let rooted = all(&format!("/files/?recursive&limit={limit}"), "path");
        assert_eq!((rooted[0].as_str(), &rooted[1..]), ("/d", below.as_slice()));
    }
    assert_eq!(all("/files/d/?recursive&prefix=sub/d&limit=1", "path"), below[26..]);
    for (prefix, range) in [("sub/", 26..28), ("sub", 25..28), ("f24", 24..25), ("f1", 10..20)] {
        for limit in [1, 100] {
            let at = format!("/files/d/?recursive&prefix={prefix}&limit={limit}");
            assert_eq!(all(&at, "path"), below[range.clone()]);
        }
    }
    for nothing in ["sub0", "s/", "sub/deep/x/y", "f1/", "z", "/", "0"] {
        let at = format!("/files/d/?recursive&prefix={nothing}&limit=1");
        assert!(all(&at, "path").is_empty(), "{nothing}");
    }
    assert_eq!(all(&format!("/files/d/?after={}", expected[4]), "name"), expected[5..]);
    assert_eq!(
        all(&format!("/files/d/?prefix=f1&after={}", expected[14]), "name"),
        expected[15..20]
    );
    served.get("/files/d/?recursive&after=x").problem(400, "invalid");
    served.get("/files/d/?limit=0").problem(400, "invalid");
    served.get("/files/d/?cursor=!").problem(400, "invalid");
    served.get("/files/nothing/").problem(404, "not-found");
}

#[test]
fn files_and_directories_are_renamed_and_copied() {
    let served = Served::with_versions();
    let post = |path: &str| served.send("POST", path, &[], b"");
    post("/files/docs?rename-to=/papers").expect(200);
    assert_eq!(served.get("/files/papers/a.txt").text(), "alpha, changed");
    served.get("/files/docs/a.txt").problem(404, "not-found");
    post("/files/docs/gone.txt?copy-to=/back.txt&version=v1").expect(200);
    assert_eq!(served.get("/files/back.txt").text(), "gone");
    post("/files/back.txt?rename-to=/papers/a.txt").problem(409, "exists");
    post("/files/back.txt?rename-to=/papers/a.txt&force").expect(200);
    assert_eq!(served.get("/files/papers/a.txt").text(), "gone");
    post("/files/papers").problem(400, "invalid");
    post("/files/papers?rename-to=/papers/below").problem(400, "invalid");
}

#[test]
fn a_batch_is_one_version_or_nothing() {
    let served = Served::with_versions();
    let head = served.head();
    let history =
        |served: &Served| served.get("/admin/history").json()["items"].as_array().unwrap().len();
    let before = history(&served);
    let failing = json!({ "changes": [
        { "op": "put", "path": "/x", "content": "x" },
        { "op": "delete", "path": "/nothing" },
    ]});
    served.post("/batch", &failing.to_string()).problem(404, "not-found");
    assert_eq!(served.head(), head);
    let batch = json!({ "changes": [
        { "op": "put", "path": "/x", "content_b64": "AP8=" },
        { "op": "rename", "from": "/docs", "to": "/d" },
        { "op": "copy", "from": "/docs/gone.txt", "to": "/d/gone.txt", "version": "v1" },
        { "op": "delete", "path": "/d/b.txt" },
    ]})
    .to_string();
    let stale = [("if-match", format!("\"{}\"", "0".repeat(64)))];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(a, b)| (*a, b.as_str())).collect();
    served.send("POST", "/batch", &stale, batch.as_bytes()).problem(412, "head-moved");
    let tag = format!("\"{head}\"");
    served.send("POST", "/batch", &[("if-match", &tag)], batch.as_bytes()).expect(200);
    assert_eq!(history(&served), before + 1);
    assert_eq!(served.get("/files/x").body, [0, 255]);
    assert_eq!(served.get("/files/d/gone.txt").text(), "gone");
    served.get("/files/d/b.txt").problem(404, "not-found");
}

#[test]
fn a_batch_that_only_removes_is_shown_so() {
    let served = Served::with_versions();
    let remove = json!({ "changes": [{ "op": "delete", "path": "/docs/a.txt" }] });
    served.post("/batch", &remove.to_string()).expect(200);
    served.post("/batch", &json!({ "changes": [] }).to_string()).expect(200);
    assert_eq!(served.get("/admin/history?limit=1").json()["items"][0]["what"], "rm");
}

#[test]
fn many_clients_put_at_once_and_every_file_is_there() {
    let served = Served::new();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let served = &served;
            scope.spawn(move || {
                for n in 0..20 {
                    served
                        .put(&format!("/files/c{client}/f{n}"), format!("{client} {n}").as_bytes());
                }
            });
        }
    });
    let stat = served.get("/files/?stat").json();
    assert_eq!(stat["files"], 160);
    let metrics = served.get("/metrics").text();
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("aeordb_group_edits_total"), 160);
    assert!(value("aeordb_group_commits_total") <= 160);
}

#[test]
fn a_name_that_is_not_text_is_changed_by_its_bytes_in_base64() {
    let served = Served::new();
    served.put("/files/%ff", b"x");
    // L/8= is /\xff.
    let copied = json!({ "changes": [{ "op": "copy", "from_b64": "L/8=", "to": "/copy" }] });
    served.post("/batch", &copied.to_string()).expect(200);
    let both = json!({ "changes": [{ "op": "delete", "path": "/copy", "path_b64": "L/8=" }] });
    served.post("/batch", &both.to_string()).problem(400, "invalid");
    let gone = json!({ "changes": [{ "op": "delete", "path_b64": "L/8=" }] });
    served.post("/batch", &gone.to_string()).expect(200);
    served.get("/files/%ff").problem(404, "not-found");
    assert_eq!(served.get("/files/copy").text(), "x");
}
