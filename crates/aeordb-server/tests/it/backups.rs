//! The backup directory over HTTP.

use std::fs;

use crate::house::House;

#[test]
fn backups_are_listed_fetched_in_parts_and_removed() {
    let house = House::with_versions();
    house.post("/admin/export", r#"{"output": "b-full.aeordb"}"#).expect(201);
    house.post("/admin/diff", r#"{"output": "a-patch.aeordb", "from": "v1"}"#).expect(201);
    fs::write(house.path("backups/junk"), "no backup").unwrap();
    let list = house.get("/admin/backups").expect(200).json();
    let items = list["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a-patch.aeordb", "b-full.aeordb"]);
    assert_eq!((&items[0]["kind"], &items[1]["kind"]), (&"patch".into(), &"export".into()));
    assert_eq!(items[1]["version"], house.head());
    let page = house.get("/admin/backups?limit=1").json();
    assert_eq!(page["next"], "a-patch.aeordb");
    let page = house.get("/admin/backups?limit=1&cursor=a-patch.aeordb").json();
    assert_eq!(page["items"][0]["name"], "b-full.aeordb");

    let whole = fs::read(house.path("backups/b-full.aeordb")).unwrap();
    let reply = house.get("/admin/backups/b-full.aeordb").expect(200);
    assert!(reply.body == whole);
    let seal = format!("\"{}\"", items[1]["seal"].as_str().unwrap());
    assert_eq!(reply.headers["etag"], seal);
    let resume = [("range", "bytes=100-"), ("if-range", seal.as_str())];
    let rest = house.send("GET", "/admin/backups/b-full.aeordb", &resume, b"").expect(206);
    assert!(rest.body == whole[100..]);
    let other = [("range", "bytes=100-"), ("if-range", "\"x\"")];
    let all = house.send("GET", "/admin/backups/b-full.aeordb", &other, b"").expect(200);
    assert!(all.body == whole);

    house.get("/admin/backups/junk").problem(404, "not-found");
    house.send("DELETE", "/admin/backups/junk", &[], b"").problem(404, "not-found");
    house.get("/admin/backups/..").problem(400, "invalid");
    house.get("/admin/backups/%2e%2e%2fdata.aeordb").problem(400, "invalid");
    house.send("DELETE", "/admin/backups/b-full.aeordb", &[], b"").expect(204);
    house.get("/admin/backups/b-full.aeordb").problem(404, "not-found");
    assert_eq!(house.backup_names(), ["a-patch.aeordb", "junk"]);
}

#[test]
fn a_patch_lies_on_the_database_until_it_is_taken_away() {
    let house = House::with_versions();
    let patch = house.get("/admin/diff?from=v1&to=v2").expect(200).body;
    house.post("/admin/promote", r#"{"hash": "v1"}"#).expect(200);
    let head = house.head();
    let reader = format!("Bearer {}", house.new_key("read,export"));
    let as_reader = [("authorization", reader.as_str())];
    let refused = house.bare("POST", "/admin/overlays", &as_reader, &patch);
    refused.problem(403, "forbidden");
    let mut damaged = patch.clone();
    damaged[patch.len() / 2] ^= 1;
    house.send("POST", "/admin/overlays", &[], &damaged).problem(422, "damaged");
    house.send("POST", "/admin/overlays", &[], b"no patch").problem(422, "damaged");
    let laid = house.send("POST", "/admin/overlays", &[], &patch).expect(201).json();
    let id = laid["id"].as_str().unwrap();
    let text = |path: &str| house.bare("GET", path, &as_reader, b"").expect(200).text();
    assert_eq!(text(&format!("/files/docs/b.txt?with={id}")), "beta");
    assert_eq!(text(&format!("/files/docs/a.txt?with={id}&version=v1")), "alpha");
    assert!(text(&format!("/files/docs/?with={id}")).contains("b.txt"));
    assert!(text(&format!("/admin/changes?from=v1&with={id}")).contains("/docs/b.txt"));
    let full = house.bare("GET", &format!("/admin/export?with={id}"), &as_reader, b"").expect(200);
    assert_eq!(full.headers["aeordb-version"].as_str(), laid["version"].as_str().unwrap());
    // The database has nothing of it, and what lies on it does not move when HEAD does.
    assert_eq!(house.head(), head);
    house.get("/files/docs/b.txt").problem(404, "not-found");
    house.put("/files/new", b"new");
    house.get(&format!("/files/new?with={id}")).problem(404, "not-found");
    // The same patch again does not follow itself.
    let again = format!("/admin/overlays?on={id}");
    house.send("POST", &again, &[], &patch).problem(409, "base-mismatch");
    house.send("DELETE", &format!("/admin/overlays/{id}"), &[], b"").expect(204);
    house.get(&format!("/files/docs/b.txt?with={id}")).problem(404, "not-found");
    for _ in 0..8 {
        house.send("POST", "/admin/overlays", &[], &patch).expect(201);
    }
    house.send("POST", "/admin/overlays", &[], &patch).problem(503, "busy");
    assert!(house.backup_names().is_empty());
}
