//! The examples, run.

use std::fs;

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "its `main` is run by cargo alone")]
mod embed;

#[test]
fn the_example_for_embedding_says_what_changed_and_reads_old_versions() {
    let place = tempfile::tempdir().unwrap();
    let (notes, database) = (place.path().join("notes"), place.path().join("notes.aeordb"));
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("a.txt"), "first").unwrap();
    fs::write(notes.join("b.txt"), "gone soon").unwrap();
    let said = embed::keep(&notes, &database, "monday").unwrap();
    assert!(said.contains(&"+ /a.txt".into()) && said.contains(&"+ /b.txt".into()), "{said:?}");

    fs::write(notes.join("a.txt"), "second").unwrap();
    fs::remove_file(notes.join("b.txt")).unwrap();
    let said = embed::keep(&notes, &database, "tuesday").unwrap();
    assert!(said.contains(&"~ /a.txt".into()) && said.contains(&"- /b.txt".into()), "{said:?}");
    assert_eq!(embed::read(&database, "monday", "/a.txt", 100).unwrap(), b"first");
    assert_eq!(embed::read(&database, "tuesday", "/a.txt", 3).unwrap(), b"sec");
    assert!(embed::read(&database, "tuesday", "/b.txt", 3).is_err());
}
