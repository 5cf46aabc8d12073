//! The description as it was when it was last looked at: whatever changes what programs see shows
//! up as a difference of `openapi.json`.

use std::fs;
use std::path::Path;

use crate::served::Served;

#[test]
fn the_description_is_the_one_that_was_looked_at() {
    let served = Served::new();
    let document = served.get("/openapi.json").expect(200).json();
    let now = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let seen = fs::read_to_string(&file).unwrap_or_default();
    let differs = seen.lines().zip(now.lines()).position(|(seen, now)| seen != now);
    assert!(
        seen == now,
        "{} differs from line {} on; UPDATE_OPENAPI=1 writes it anew, read the difference then",
        file.display(),
        differs.map_or(seen.lines().count().min(now.lines().count()), |line| line) + 1,
    );
}
