use super::*;
use std::os::unix::fs::symlink;

/// A directory that removes itself.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aeordb-bench-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("scratch directory");
        Self(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        fs::write(&path, text).expect("file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_update_touches_only_what_differs() {
    let dir = Scratch::new("update");
    dir.write("1/same/a", "a");
    dir.write("1/gone/b", "b");
    dir.write("1/turns", "file");
    dir.write("1/edited", "one");
    dir.write("2/same/a", "a");
    dir.write("2/turns/into", "directory");
    dir.write("2/edited", "two");
    symlink("edited", dir.0.join("2/link")).expect("symlink");
    let (one, two, live) = (dir.0.join("1"), dir.0.join("2"), dir.0.join("live"));

    assert_eq!(update(&one, &live).expect("first").written.len(), 4);
    let before = fs::metadata(live.join("same/a")).expect("metadata");
    let done = update(&two, &live).expect("second");
    let mut written = done.written;
    written.sort();
    assert_eq!(written, ["edited", "link", "turns/into"].map(PathBuf::from));
    assert_eq!(done.removed, 1);
    let after = fs::metadata(live.join("same/a")).expect("metadata");
    assert_eq!(before.ino(), after.ino());
    assert_eq!(before.ctime_nsec(), after.ctime_nsec());
    assert!(differences(&two, &live, Closeness::Content).expect("compare").is_empty());
    assert!(update(&two, &live).expect("third").written.is_empty());
}

#[test]
fn a_comparison_sees_bytes_modes_times_and_missing_names() {
    let dir = Scratch::new("compare");
    let kept = dir.write("1/kept", "same");
    let copy = dir.write("2/kept", "same");
    let time = fs::metadata(&kept).and_then(|m| m.modified()).expect("time");
    let file = File::options().append(true).open(&copy).expect("open");
    file.set_modified(time).expect("set");
    let (one, two) = (dir.0.join("1"), dir.0.join("2"));
    let all = |how| differences(&one, &two, how).expect("compare");
    assert!(all(Closeness::Everything).is_empty());

    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("mode");
    assert_eq!(all(Closeness::Everything).len(), 1);
    assert!(all(Closeness::Content).is_empty());
    dir.write("1/only", "here");
    dir.write("2/extra", "there");
    fs::write(&copy, "sane").expect("write");
    assert_eq!(all(Closeness::Content).len(), 3);
}

#[test]
fn changed_files_are_spread_and_of_ordinary_size() {
    let dir = Scratch::new("change");
    for n in 0..40 {
        dir.write(&format!("t/{n:02}"), &"x".repeat(2000));
    }
    dir.write("t/tiny", "x");
    let changed = change_some(&dir.0.join("t"), 10).expect("change");
    assert_eq!(changed.len(), 10);
    let total = totals(&dir.0.join("t")).expect("totals");
    assert_eq!((total.files, total.directories), (41, 1));
    assert_eq!(total.bytes, 40 * 2000 + 1 + 10 * 26);
}
