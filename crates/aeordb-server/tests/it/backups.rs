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
