//! Who may do what: every route, every sort of key.

use aeordb_api::endpoint::Needs;
use aeordb_api::table::table;

use crate::house::House;

/// A request of every route, without a body.
fn requests() -> Vec<(String, String, Needs)> {
    let concrete = |path: &str| {
        let path = path.replace("{*path}", "some/file").replace("{name}", "name");
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
    let house = House::with_versions();
    let head = house.head();
    let revoked = house.new_key("admin");
    let id = revoked.split('_').nth(1).unwrap();
    house.send("DELETE", &format!("/admin/keys/{id}"), &[], b"").expect(200);
    let wrong = format!("{}0", &house.key[..house.key.len() - 1]);
    let other = format!("{}1", &house.key[..house.key.len() - 1]);
    let wrong = if wrong == house.key { other } else { wrong };
    let bad = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {wrong}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Basic {}", house.key)),
        Some(house.key.clone()),
        Some("Bearer aeor_x_y".to_owned()),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for (method, path, needs) in requests() {
        for header in &bad {
            let headers: Vec<(&str, &str)> =
                header.iter().map(|value| ("authorization", value.as_str())).collect();
            let reply = house.bare(&method, &path, &headers, b"{}");
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
    assert_eq!(house.head(), head);
    house.bare("GET", "/no/such/route", &[], b"");
    house.get("/no/such/route").problem(404, "not-found");
    house.send("PATCH", "/files/a", &[], b"").problem(405, "method-not-allowed");
}

#[test]
fn every_route_asks_for_its_scope_and_no_other_opens_it() {
    let house = House::with_versions();
    let head = house.head();
    let scopes = ["read", "write", "snapshot", "export", "import", "promote", "gc", "keys"];
    let keys: Vec<String> = scopes.iter().map(|scope| house.new_key(scope)).collect();
    for (method, path, needs) in requests() {
        let needed = match needs {
            Needs::Scope(scope) | Needs::Removal(scope) => vec![scope.name()],
            Needs::Either(one, other) => vec![one.name(), other.name()],
            Needs::Key | Needs::Nothing => continue,
        };
        for (scope, key) in scopes.iter().zip(&keys) {
            if !needed.contains(scope) {
                let key = format!("Bearer {key}");
                let reply = house.bare(&method, &path, &[("authorization", &key)], b"{}");
                reply.problem(403, "forbidden");
            }
        }
    }
    assert_eq!(house.head(), head);
}

#[test]
fn a_key_opens_what_its_scope_says() {
    let house = House::with_versions();
    let with = |scopes: &str| format!("Bearer {}", house.new_key(scopes));
    let read = with("read");
    let write = with("write");
    house.bare("GET", "/files/docs/a.txt", &[("authorization", &read)], b"").expect(200);
    house.bare("PUT", "/files/new", &[("authorization", &write)], b"x").expect(201);
    house.bare("GET", "/readyz", &[("authorization", &write)], b"").expect(200);
    // Promoting takes the scope, also by the way of an import.
    let full = house.get("/admin/export").body;
    let import = with("import");
    let as_import = [("authorization", import.as_str())];
    house.bare("POST", "/admin/import?promote", &as_import, &full).problem(403, "forbidden");
    house.bare("POST", "/admin/import", &as_import, &full).expect(200);
}

#[test]
fn a_key_that_only_appends_neither_replaces_nor_removes() {
    let house = House::with_versions();
    let key = format!("Bearer {}", house.new_key("append-only"));
    let as_key = [("authorization", key.as_str())];
    house.bare("PUT", "/files/new", &as_key, b"new").expect(201);
    house.bare("PUT", "/files/new", &as_key, b"other").problem(403, "forbidden");
    house.bare("POST", "/admin/snapshots", &as_key, br#"{"name": "mine"}"#).expect(201);
    for (method, path) in [
        ("DELETE", "/files/new"),
        ("DELETE", "/admin/snapshots/v1"),
        ("POST", "/files/new?rename-to=/x"),
        ("POST", "/files/new?copy-to=/docs/a.txt&force"),
        ("POST", "/batch"),
        ("PUT", "/files/docs/?archive=tar&mirror"),
        ("POST", "/admin/promote"),
        ("POST", "/admin/gc"),
    ] {
        house.bare(method, path, &as_key, b"{}").problem(403, "forbidden");
    }
    assert_eq!(house.get("/files/new").text(), "new");
    let backup = format!("Bearer {}", house.new_key("backup"));
    let as_backup = [("authorization", backup.as_str())];
    let made = house.bare("POST", "/admin/export", &as_backup, br#"{"output": "x"}"#);
    made.expect(201);
    house.bare("GET", "/admin/backups/x", &as_backup, b"").expect(200);
    house.bare("DELETE", "/admin/backups/x", &as_backup, b"").problem(403, "forbidden");
}

#[test]
fn a_key_gives_away_no_more_than_it_has_and_expires() {
    let house = House::new();
    let key = format!("Bearer {}", house.new_key("keys,read"));
    let as_key = [("authorization", key.as_str())];
    let give = |body: &str| house.bare("POST", "/admin/keys", &as_key, body.as_bytes());
    give(r#"{"name": "x", "scopes": ["admin"]}"#).problem(403, "forbidden");
    give(r#"{"name": "x", "scopes": ["read"]}"#).expect(201);
    give(r#"{"name": "x", "scopes": ["nonsense"]}"#).problem(400, "invalid");
    let past = r#"{"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}"#;
    give(past).problem(400, "invalid");
    let list = house.get("/admin/keys").expect(200).text();
    assert!(!list.contains(house.key.rsplit('_').next().unwrap()));
    let keys: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(keys["items"].as_array().unwrap().len(), 3);
}

#[test]
fn keys_survive_a_restart_and_are_in_no_export() {
    let house = House::with_versions();
    let key = house.key.clone();
    let secret = key.rsplit('_').next().unwrap().to_owned();
    let export = house.get("/admin/export").body;
    let hash = blake3::hash(secret.as_bytes());
    for needle in [secret.as_bytes(), hash.as_bytes().as_slice()] {
        assert!(!export.windows(needle.len()).any(|window| window == needle));
    }
    let stored = std::fs::read(house.path("data.aeordb")).unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()));
    let directory = house.close();
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
    assert_eq!(crate::house::Reply::read(&mut stream, false).expect(200).text(), "alpha, changed");
    stop.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn a_key_that_makes_keys_revokes_none_that_may_do_more_and_makes_none_that_lives_longer() {
    let house = House::new();
    let body = r#"{"name": "k", "scopes": ["keys"], "expires_at": "2100-01-01T00:00:00Z"}"#;
    let made = house.post("/admin/keys", body).expect(201).json();
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let as_key = [("authorization", key.as_str())];
    let admin = house.key.split('_').nth(1).unwrap().to_owned();
    let place = format!("/admin/keys/{admin}");
    house.bare("DELETE", &place, &as_key, b"").problem(403, "forbidden");
    house.get("/files/").expect(200);
    for asked in ["", r#", "expires_at": "2101-01-01T00:00:00Z""#] {
        let body = format!(r#"{{"name": "x", "scopes": ["keys"]{asked}}}"#);
        let child = house.bare("POST", "/admin/keys", &as_key, body.as_bytes()).expect(201).json();
        assert_eq!(child["expires_at"], made["expires_at"]);
    }
    let own = format!("/admin/keys/{}", made["id"].as_str().unwrap());
    house.bare("DELETE", &own, &as_key, b"").expect(200);
}

#[test]
fn an_import_that_names_a_version_needs_the_scope_for_it() {
    let house = House::with_versions();
    let full = house.get("/admin/export").body;
    house.post("/admin/export", r#"{"output": "full"}"#).expect(201);
    let import = format!("Bearer {}", house.new_key("import"));
    let as_import = [("authorization", import.as_str())];
    house.bare("POST", "/admin/import?snapshot=x", &as_import, &full).problem(403, "forbidden");
    let as_json = [as_import[0], ("content-type", "application/json")];
    let body = br#"{"file": "full", "snapshot": "x"}"#;
    house.bare("POST", "/admin/import", &as_json, body).problem(403, "forbidden");
    let both = format!("Bearer {}", house.new_key("import,snapshot"));
    let as_both = [("authorization", both.as_str()), ("content-type", "application/json")];
    house.bare("POST", "/admin/import", &as_both, body).expect(200);
}

#[test]
fn whoever_asks_whether_the_process_runs_fails_at_nothing() {
    let house = House::new();
    for _ in 0..300 {
        house.bare("GET", "/healthz", &[("authorization", "Bearer wrong")], b"").expect(200);
    }
    house.bare("GET", "/files/", &[], b"").problem(401, "unauthorized");
    assert!(house.get("/metrics").text().contains("aeordb_keys_refused_total 1\n"));
}
