//! Lists of changes: what is renamed, and what lists come to.

use super::*;
use crate::backup::{Change, Comparison, changes, listed_changes, listing};
use crate::error::Error;
use crate::format::change_list::{ChangeRecord, Sort};

/// The changes as `diff` prints them.
fn listed(source: &Database, from: &VersionId, to: &VersionId) -> Vec<String> {
    let mut lines = Vec::new();
    changes(&source.reader().unwrap(), from, to, &mut |change| {
        lines.push(line(&change));
        Ok(())
    })
    .unwrap();
    lines
}

fn line(change: &Change) -> String {
    match change {
        Change::Added { path, .. } => format!("A {path}"),
        Change::Modified { path, .. } => format!("M {path}"),
        Change::Deleted { path, .. } => format!("D {path}"),
        Change::Renamed { from, to, .. } => format!("R {from} {to}"),
    }
}

fn lines<const A: usize, const B: usize>(
    before: [(&str, Entry); A],
    after: [(&str, Entry); B],
) -> Vec<String> {
    let source = memory();
    let [from, to] = [tree(before), tree(after)].map(|tree| commit(&source, &tree));
    listed(&source, &from, &to)
}

#[test]
fn equal_files_of_a_directory_that_was_moved_keep_their_names() {
    let same = || file("the same licence");
    let lines = lines(
        [("/old/a/LICENSE", same()), ("/old/b/COPYING", same()), ("/old/c/__init__", file(""))],
        [("/new/x/COPYING", same()), ("/new/y/LICENSE", same()), ("/new/z/__init__", file(""))],
    );
    let renamed: Vec<_> = lines.iter().filter(|line| line.starts_with('R')).collect();
    assert_eq!(
        renamed,
        [
            "R /old/b/COPYING /new/x/COPYING",
            "R /old/a/LICENSE /new/y/LICENSE",
            "R /old/c/__init__ /new/z/__init__"
        ]
    );
}

#[test]
fn an_empty_file_of_another_name_came_from_nowhere() {
    assert_eq!(lines([("/a", file(""))], [("/b", file(""))]), ["D /a", "A /b"]);
    assert_eq!(lines([("/a", file("x"))], [("/b", file("x"))]), ["R /a /b"]);
}

#[test]
fn of_more_copies_than_there_were_some_are_new() {
    let lines = lines(
        [("/a", file("x")), ("/kept", file("x"))],
        [("/b", file("x")), ("/c", file("x")), ("/kept", file("x"))],
    );
    assert_eq!(lines, ["R /a /b", "A /c"]);
}

#[test]
fn what_was_renamed_costs_no_chunk() {
    let source = memory();
    let bulk = || file(content(1, 500_000, 0));
    let from = commit(&source, &tree([("/a/bulk", bulk()), ("/a/b", file("b"))]));
    let to = commit(&source, &tree([("/new/place/bulk", bulk()), ("/a/b", file("b"))]));
    let mut out = Vec::new();
    let report =
        crate::backup::diff(&source.reader().unwrap(), &from, &to, &mut out, &Monitor::new())
            .unwrap();
    assert_eq!(report.chunks, 0);
    assert!(out.len() < 2000, "{} bytes", out.len());
}

#[test]
fn a_patch_lists_what_diff_lists() {
    let (sandbox, source) = (Sandbox::new(), memory());
    let from = commit(
        &source,
        &tree([
            ("/a", file("a")),
            ("/d/moved", file("m")),
            ("/gone", file("g")),
            ("/m", file("1")),
        ]),
    );
    let to = commit(
        &source,
        &tree([("/a", file("a")), ("/e/moved", file("m")), ("/m", file("2")), ("/new", file("n"))]),
    );
    let patch = sandbox.patch("patch", &source, &from, &to);
    let told: Vec<_> = listed_changes(&patch, &Monitor::new())
        .unwrap()
        .into_iter()
        .map(|change| match change.from {
            Some(from) => format!("R {from} {}", change.path),
            None => format!("{} {}", change.letter, change.path),
        })
        .collect();
    assert_eq!(told, listed(&source, &from, &to));
}

#[test]
fn a_comparison_that_nobody_waits_for_ends() {
    let source = memory();
    let from = commit(&source, &tree([("/a", file("a"))]));
    let to = commit(&source, &tree([("/b", file("b")), ("/c", file("c"))]));
    let reader = source.reader().unwrap();
    let monitor = Monitor::new();
    let comparison = Comparison::new(&reader, &from, &to, &monitor).unwrap();
    let mut found = comparison.changes(&reader, None, &monitor).unwrap();
    assert!(found.next().unwrap().is_ok());
    monitor.cancel();
    assert!(matches!(found.next(), Some(Err(Error::Interrupted))));
    let again = Comparison::new(&reader, &from, &to, &monitor);
    assert!(matches!(again, Err(Error::Interrupted)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_goes_on_after_any_path(a in trees(), b in trees()) {
        let source = memory();
        let [from, to] = [&a, &b].map(|tree| commit(&source, tree));
        let reader = source.reader().unwrap();
        let comparison = Comparison::new(&reader, &from, &to, &Monitor::new()).unwrap();
        let after = |path: Option<&Path>| -> Vec<Change> {
            let monitor = Monitor::new();
            comparison.changes(&reader, path, &monitor).unwrap().map(Result::unwrap).collect()
        };
        let all = after(None);
        let lines = |changes: &[Change]| changes.iter().map(line).collect::<Vec<_>>();
        prop_assert_eq!(lines(&all), listed(&source, &from, &to));
        // Paths of both, of neither, and on the way to what is not there.
        let strange = ["/", "/a/c/e/g/h", "/a/0", "/a.b", "/b/c/0", "/z"].map(str::to_owned);
        for path in a.keys().chain(b.keys()).chain(&strange) {
            let path = Path::parse(path.as_bytes()).unwrap();
            let rest: Vec<Change> =
                all.iter().filter(|change| *change.path() > path).cloned().collect();
            prop_assert_eq!(lines(&after(Some(&path))), lines(&rest), "after {}", path);
        }
    }

    #[test]
    fn lists_add_up_to_the_list_of_what_they_lead_to(a in trees(), b in trees(), c in trees()) {
        let source = memory();
        let [a, b, c] = [&a, &b, &c].map(|tree| commit(&source, tree));
        let reader = source.reader().unwrap();
        let records = |from: &VersionId, to: &VersionId| -> BTreeMap<Vec<u8>, ChangeRecord> {
            crate::backup::changes::steps(reader.view(), from, to)
                .unwrap()
                .filter_map(|step| {
                    let (path, before, after) = step.unwrap();
                    listing::record(&path, before.as_ref(), after.as_ref()).unwrap()
                })
                .map(|record| (record.path.clone(), record))
                .collect()
        };
        let (ab, bc) = (records(&a, &b), records(&b, &c));
        let mut paths: Vec<_> = ab.keys().chain(bc.keys()).collect();
        paths.sort();
        paths.dedup();
        let mut composed = BTreeMap::new();
        for path in paths {
            let both: Vec<_> = [&ab, &bc].iter().filter_map(|list| list.get(path).cloned()).collect();
            if let Some(record) = listing::composed(&both).unwrap() {
                composed.insert(path.clone(), record);
            }
        }
        prop_assert_eq!(composed, records(&a, &c));
    }
}

#[test]
fn changes_that_cannot_follow_each_other_do_not_add_up() {
    let record = |before, after| ChangeRecord { path: b"/a".into(), before, after, mark: [1; 5] };
    let added = record(Sort::Nothing, Sort::File);
    assert!(listing::composed(&[added.clone(), added]).is_err());
}
