//! Who may do what: every route, every sort of key.

use aeordb_api::endpoint::Needs;
use aeordb_api::table::table;

use crate::served::Served;

/// A request of every route, without a body.
fn requests() -> Vec<(String, String, Needs)> {
    let concrete = |path: &str| {
        let path = path.replace("{*path}", "some/file").replace("{name}", "name");
        let path = path.replace("{*name}", "some/name");
        path.replace("{id}", "1")
    };
    table()
        .iter()
        .map(|call| (call.method.name().to_owned(), concrete(call.path), call.needs))
        .collect()
}

/// S4: every route, with every sort of key that must not work.
#[test]
fn no_route_does_anything_without_a_valid_key() {
    let served = Served::with_versions();
    let head = served.head();
    let revoked = served.new_key("admin");
    let id = revoked.split('_').nth(1).unwrap();
    served.send("DELETE", &format!("/admin/keys/{id}"), &[], b"").expect(200);
    let wrong = format!("{}0", &served.key[..served.key.len() - 1]);
    let other = format!("{}1", &served.key[..served.key.len() - 1]);
    let wrong = if wrong == served.key { other } else { wrong };
    let bad = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {wrong}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Basic {}", served.key)),
        Some(served.key.clone()),
        Some("Bearer aeor_x_y".to_owned()),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for (method, path, needs) in requests() {
        for header in &bad {
            let headers: Vec<(&str, &str)> =
                header.iter().map(|value| ("authorization", value.as_str())).collect();
            let reply = served.bare(&method, &path, &headers, b"{}");
            if needs == Needs::Nothing {
                reply.expect(200);
                continue;
            }
            // The limiter may speak instead: it lets many failures a second through, not all.
            if reply.status == 429 {
                assert!(reply.headers.contains_key("retry-after"));
                continue;
            }
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
            bodies.insert(reply.body.clone());
            reply.problem(401, "unauthorized");
        }
    }
    assert_eq!(bodies.len(), 1, "the reply tells what was wrong");
    assert_eq!(served.head(), head);
    served.bare("GET", "/no/such/route", &[], b"");
    served.get("/no/such/route").problem(404, "not-found");
    served.send("PATCH", "/files/a", &[], b"").problem(405, "method-not-allowed");
}

#[test]
fn every_route_asks_for_its_scope_and_no_other_opens_it() {
    let served = Served::with_versions();
    let head = served.head();
    let scopes = ["read", "write", "snapshot", "export", "import", "promote", "gc", "keys"];
    let keys: Vec<String> = scopes.iter().map(|scope| served.new_key(scope)).collect();
    for (method, path, needs) in requests() {
        let needed = match needs {
            Needs::Scope(scope) | Needs::Removal(scope) => vec![scope.name()],
            Needs::Either(one, other) => vec![one.name(), other.name()],
            Needs::Key | Needs::Nothing => continue,
        };
        for (scope, key) in scopes.iter().zip(&keys) {
            if !needed.contains(scope) {
                let key = format!("Bearer {key}");
                let reply = served.bare(&method, &path, &[("authorization", &key)], b"{}");
                reply.problem(403, "forbidden");
            }
        }
    }
    assert_eq!(served.head(), head);
}

#[test]
fn a_key_opens_what_its_scope_says() {
    let served = Served::with_versions();
    let with = |scopes: &str| format!("Bearer {}", served.new_key(scopes));
    let read = with("read");
    let write = with("write");
    served.bare("GET", "/files/docs/a.txt", &[("authorization", &read)], b"").expect(200);
    served.bare("PUT", "/files/new", &[("authorization", &write)], b"x").expect(201);
    served.bare("GET", "/readyz", &[("authorization", &write)], b"").expect(200);
    // Promoting takes the scope, also by the way of an import.
    let full = served.get("/admin/export").body;
    let import = with("import");
    let as_import = [("authorization", import.as_str())];
    served.bare("POST", "/admin/import?promote", &as_import, &full).problem(403, "forbidden");
    served.bare("POST", "/admin/import", &as_import, &full).expect(200);
}

#[test]
fn a_key_that_only_appends_neither_replaces_nor_removes() {
    let served = Served::with_versions();
    let key = format!("Bearer {}", served.new_key("append-only"));
    let as_key = [("authorization", key.as_str())];
    served.bare("PUT", "/files/new", &as_key, b"new").expect(201);
    served.bare("PUT", "/files/new", &as_key, b"other").problem(403, "forbidden");
    served.bare("POST", "/admin/snapshots", &as_key, br#"{"name": "mine"}"#).expect(201);
    for (method, path) in [
        ("DELETE", "/files/new"),
        ("DELETE", "/admin/snapshots/v1"),
        ("POST", "/admin/snapshots/v1"),
        ("POST", "/files/new?rename-to=/x"),
        ("POST", "/files/new?copy-to=/docs/a.txt&force"),
        ("POST", "/batch"),
        ("PUT", "/files/docs/?archive=tar&mirror"),
        ("POST", "/admin/promote"),
        ("POST", "/admin/gc"),
    ] {
        served.bare(method, path, &as_key, b"{}").problem(403, "forbidden");
    }
    assert_eq!(served.get("/files/new").text(), "new");
    let backup = format!("Bearer {}", served.new_key("backup"));
    let as_backup = [("authorization", backup.as_str())];
    let made = served.bare("POST", "/admin/export", &as_backup, br#"{"output": "x"}"#);
    made.expect(201);
    served.bare("GET", "/admin/backups/x", &as_backup, b"").expect(200);
    served.bare("DELETE", "/admin/backups/x", &as_backup, b"").problem(403, "forbidden");
}

#[test]
fn a_key_for_one_path_moves_that_forward_and_sees_and_loses_nothing() {
    let served = Served::with_versions();
    served.put("/files/hosts/b/secret", b"of b");
    let body = br#"{"name": "a", "scopes": ["read", "append-only"], "path": "/hosts/a"}"#;
    let made = served.post("/admin/keys", std::str::from_utf8(body).unwrap()).expect(201).json();
    assert_eq!((&made["path"], &made["scopes"][3]), (&"/hosts/a".into(), &"append-only".into()));
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let as_key = [("authorization", key.as_str())];
    let head = |name: &str| served.get(&format!("/files/{name}"));
    served.bare("PUT", "/files/hosts/a/file", &as_key, b"one").expect(201);
    served.bare("PUT", "/files/hosts/a/file", &as_key, b"two").expect(200);
    assert_eq!(served.bare("GET", "/files/hosts/a/file", &as_key, b"").text(), "two");
    served.bare("GET", "/files/hosts/a/", &as_key, b"").expect(200);
    // What it replaced is in history, which it does not get at.
    let history = served.get("/admin/history").expect(200).json();
    let before = history["items"][1]["version"].as_str().unwrap().to_owned();
    let old = served.get(&format!("/files/hosts/a/file?version={before}"));
    assert_eq!(old.text(), "one");
    let whole = head("hosts/b/secret");
    for (method, path, needs) in requests() {
        if needs != Needs::Nothing {
            let reply = served.bare(&method, &path, &as_key, b"{}");
            reply.problem(403, "forbidden");
        }
    }
    for (method, path) in [
        ("GET", "/files/"),
        ("GET", "/files/hosts/"),
        ("GET", "/files/hosts/b/secret"),
        ("GET", "/files/hosts/ab"),
        ("GET", "/files/hosts/a%2F..%2Fb/secret"),
        ("GET", "/files/?archive=aeordb&outline"),
        ("HEAD", "/files/hosts/b/secret"),
        ("PUT", "/files/hosts/b/secret"),
        ("PUT", "/files/hosts/?archive=tar&mirror"),
        ("DELETE", "/files/hosts/a/file"),
        ("POST", "/files/hosts/a/file?copy-to=/hosts/b/more"),
        ("POST", "/files/hosts/a/file?rename-to=/hosts/a/more"),
        ("POST", "/admin/snapshots"),
    ] {
        let reply = served.bare(method, path, &as_key, b"{}");
        assert!([400, 403].contains(&reply.status), "{method} {path}: {}", reply.status);
    }
    assert_eq!(head("hosts/b/secret").text(), whole.text());
    // Whoever has it may still be stopped, and knows the same after a start.
    let id = made["id"].as_str().unwrap();
    served.send("DELETE", &format!("/admin/keys/{id}"), &[], b"").expect(200);
    served.bare("GET", "/files/hosts/a/file", &as_key, b"").problem(401, "unauthorized");
    let refused = r#"{"name": "a", "scopes": ["gc"], "path": "/hosts/a"}"#;
    served.post("/admin/keys", refused).problem(400, "invalid");
}

#[test]
fn a_key_gives_away_no_more_than_it_has_and_expires() {
    let served = Served::new();
    let key = format!("Bearer {}", served.new_key("keys,read"));
    let as_key = [("authorization", key.as_str())];
    let give = |body: &str| served.bare("POST", "/admin/keys", &as_key, body.as_bytes());
    give(r#"{"name": "x", "scopes": ["admin"]}"#).problem(403, "forbidden");
    give(r#"{"name": "x", "scopes": ["read"]}"#).expect(201);
    give(r#"{"name": "x", "scopes": ["nonsense"]}"#).problem(400, "invalid");
    let past = r#"{"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}"#;
    give(past).problem(400, "invalid");
    let list = served.get("/admin/keys").expect(200).text();
    assert!(!list.contains(served.key.rsplit('_').next().unwrap()));
    let keys: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(keys["items"].as_array().unwrap().len(), 3);
}

#[test]
fn keys_survive_a_restart_and_are_in_no_export() {
    let served = Served::with_versions();
    let key = served.key.clone();
    let secret = key.rsplit('_').next().unwrap().to_owned();
    let export = served.get("/admin/export").body;
    let hash = blake3::hash(secret.as_bytes());
    for needle in [secret.as_bytes(), hash.as_bytes().as_slice()] {
        assert!(!export.windows(needle.len()).any(|window| window == needle));
    }
    let stored = std::fs::read(served.path("data.aeordb")).unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()));
    let directory = served.close();
    let config = aeordb_server::Config::new(
        directory.path().join("data.aeordb"),
        "127.0.0.1:0".parse().unwrap(),
    );
    let server = aeordb_server::Server::start(config).unwrap();
    assert_eq!(server.first_key(), None);
    let stop = server.stop();
    let address = server.address();
    let thread = std::thread::spawn(move || server.run());
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    use std::io::Write;
    write!(
        stream,
        "GET /files/docs/a.txt HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    assert_eq!(crate::served::Reply::read(&mut stream, false).expect(200).text(), "alpha, changed");
    stop.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn a_key_that_makes_keys_revokes_none_that_may_do_more_and_makes_none_that_lives_longer() {
    let served = Served::new();
    let body = r#"{"name": "k", "scopes": ["keys"], "expires_at": "2100-01-01T00:00:00Z"}"#;
    let made = served.post("/admin/keys", body).expect(201).json();
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let as_key = [("authorization", key.as_str())];
    let admin = served.key.split('_').nth(1).unwrap().to_owned();
    let place = format!("/admin/keys/{admin}");
    served.bare("DELETE", &place, &as_key, b"").problem(403, "forbidden");
    served.get("/files/").expect(200);
    for asked in ["", r#", "expires_at": "2101-01-01T00:00:00Z""#] {
        let body = format!(r#"{{"name": "x", "scopes": ["keys"]{asked}}}"#);
        let child = served.bare("POST", "/admin/keys", &as_key, body.as_bytes()).expect(201).json();
        assert_eq!(child["expires_at"], made["expires_at"]);
    }
    let own = format!("/admin/keys/{}", made["id"].as_str().unwrap());
    served.bare("DELETE", &own, &as_key, b"").expect(200);
}

#[test]
fn an_import_that_names_a_version_needs_the_scope_for_it() {
    let served = Served::with_versions();
    let full = served.get("/admin/export").body;
    served.post("/admin/export", r#"{"output": "full"}"#).expect(201);
    let import = format!("Bearer {}", served.new_key("import"));
    let as_import = [("authorization", import.as_str())];
    served.bare("POST", "/admin/import?snapshot=x", &as_import, &full).problem(403, "forbidden");
    let as_json = [as_import[0], ("content-type", "application/json")];
    let body = br#"{"file": "full", "snapshot": "x"}"#;
    served.bare("POST", "/admin/import", &as_json, body).problem(403, "forbidden");
    let both = format!("Bearer {}", served.new_key("import,snapshot"));
    let as_both = [("authorization", both.as_str()), ("content-type", "application/json")];
    served.bare("POST", "/admin/import", &as_both, body).expect(200);
}

#[test]
fn whoever_asks_whether_the_process_runs_fails_at_nothing() {
    let served = Served::new();
    for _ in 0..300 {
        served.bare("GET", "/healthz", &[("authorization", "Bearer wrong")], b"").expect(200);
    }
    served.bare("GET", "/files/", &[], b"").problem(401, "unauthorized");
    assert!(served.get("/metrics").text().contains("aeordb_keys_refused_total 1\n"));
}
