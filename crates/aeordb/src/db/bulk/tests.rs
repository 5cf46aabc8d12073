use std::collections::BTreeMap;
use std::path::Path as LocalPath;

use super::*;
use crate::db::Options;
use crate::error::Context;
use crate::media::MemoryMedia;
use crate::object::Symlink;

fn database() -> Arc<Database> {
    let media = Arc::new(MemoryMedia::new());
    let path = LocalPath::new("memory");
    Arc::new(Database::create_media(media, path, [7; 16], &Options::default()).unwrap())
}

fn load(database: &Arc<Database>) -> BulkLoad {
    BulkLoad::new(database.clone(), || {
        tempfile::tempfile().context(|| "making a file for a test".into())
    })
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn file(load: &mut BulkLoad, at: &str, bytes: &[u8]) {
    load.write(bytes).unwrap();
    let record = load.finish_file().unwrap();
    load.put(path(at), &Item::File(record)).unwrap();
}

fn placing(top: &str, mirror: bool) -> Placing {
    Placing { top: path(top), mirror, only_adds: false }
}

fn edit(load: BulkLoad, placing: Placing) -> Result<Edit> {
    load.into_edit("put", placing, |_, _| Ok(()), |_| Ok(()), &Monitor::new())
}

/// Everything in HEAD: directories with their modes, files with content type and size.
fn tree(database: &Database) -> BTreeMap<String, String> {
    let reader = database.reader().unwrap();
    let walk = reader.walk(&reader.head(), Path::root()).unwrap();
    let shown = |item: &Item| match item {
        Item::Directory(directory) => format!("directory {:?}", directory.attributes.mode),
        Item::Symlink(link) => format!("link {:?}", String::from_utf8_lossy(&link.target)),
        Item::File(file) => format!("file {} {:?}", file.content_hash, file.content_type),
        Item::Special(special) => special.what.name().into(),
    };
    walk.map(|entry| entry.map(|(path, item)| (path.to_string(), shown(&item))).unwrap()).collect()
}

#[test]
fn links_stand_for_what_came_before_them_whatever_comes_later() {
    let database = database();
    let mut load = load(&database);
    file(&mut load, "/a", b"first");
    load.link(&path("/z"), path("/a")).unwrap();
    load.link(&path("/b"), path("/z")).unwrap();
    file(&mut load, "/a", b"second");
    load.link(&path("/c"), path("/a")).unwrap();
    load.link(&path("/a"), path("/b")).unwrap();
    load.link(&path("/c2"), path("/a")).unwrap();
    database.edit(&edit(load, placing("/", false)).unwrap()).unwrap();
    let tree = tree(&database);
    let of = |at: &str| tree[at].clone();
    let (first, second) = (of("/z"), of("/c"));
    assert_ne!(first, second);
    assert_eq!([of("/a"), of("/b"), of("/c2")], [first.clone(), first.clone(), first]);
}

#[test]
fn a_link_to_what_did_not_come_or_to_itself_is_refused() {
    for (at, target) in [("/a", "/gone"), ("/a", "/a"), ("/a", "/later"), ("/a", "/d")] {
        let database = database();
        let mut load = load(&database);
        file(&mut load, "/d/x", b"x");
        load.link(&path(at), path(target)).unwrap();
        file(&mut load, "/later", b"x");
        let refused = edit(load, placing("/", false)).err();
        assert!(matches!(refused, Some(Error::Invalid(_))), "{target}: {refused:?}");
    }
}

#[test]
fn a_chain_of_links_has_a_limit() {
    let database = database();
    let mut load = load(&database);
    file(&mut load, "/0", b"x");
    for n in 0..40 {
        load.link(&path(&format!("/{}", n + 1)), path(&format!("/{n}"))).unwrap();
    }
    assert!(matches!(edit(load, placing("/", false)), Err(Error::Limit { .. })));
}

/// One thing that comes, or that others do.
#[derive(Clone, Debug)]
enum Step {
    File(String, u8),
    Directory(String, u32),
    Link(String),
    Remove(String),
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(3);
        (0..depth).map(|_| format!("/{}", ["a", "b", "b.", "c"][self.below(4) as usize])).collect()
    }

    fn steps(&mut self, removals: bool) -> Vec<Step> {
        let count = self.below(10);
        (0..count)
            .map(|_| match (self.below(6), self.path()) {
                (0 | 1, path) if removals => Step::Remove(path),
                (0..4, path) => Step::File(path, self.below(3) as u8),
                (4, path) => Step::Directory(path, 0o700 + self.below(4) as u32),
                (_, path) => Step::Link(path),
            })
            .collect()
    }
}

fn item(database: &Arc<Database>, step: &Step) -> Option<Item> {
    Some(match step {
        Step::Remove(_) => return None,
        Step::File(_, byte) => {
            let mut upload = Upload::new(database.clone());
            upload.write(&[*byte]).unwrap();
            let record = upload.finish_file().unwrap();
            // What the bytes are is there already.
            let edit = upload.into_edit("test", |_| Ok(Default::default()));
            database.edit(&edit).unwrap();
            Item::File(record)
        }
        Step::Directory(_, mode) => Item::Directory(Subdirectory::empty(with_mode(*mode))),
        Step::Link(_) => {
            Item::Symlink(Symlink { target: b"t".to_vec(), attributes: Attributes::default() })
        }
    })
}

fn with_mode(mode: u32) -> Attributes {
    Attributes { mode: Some(mode), ..Attributes::default() }
}

fn at(step: &Step) -> Path {
    match step {
        Step::File(at, _) | Step::Directory(at, _) | Step::Link(at) | Step::Remove(at) => path(at),
    }
}

/// Does the steps of others, each as far as it can be done. Files get a content type.
fn others(database: &Arc<Database>, steps: &[Step]) {
    for step in steps {
        let (at, mut item) = (at(step), item(database, step));
        if let Some(Item::File(file)) = &mut item {
            file.content_type = Some("text/plain".into());
        }
        let _ = database.edit(&Edit::new("other", move |draft| {
            draft.set(&at, item.clone())?;
            Ok(Default::default())
        }));
    }
}

/// What `came` at the top comes to, put path by path.
fn one_by_one(database: &Arc<Database>, top: &Path, mirror: bool, came: &[Step]) -> Result<()> {
    let mut items = BTreeMap::new();
    for step in came {
        let at = Path::parse(&[top.as_bytes(), at(step).as_bytes()].concat())?;
        items.insert(at, item(database, step));
    }
    let top = top.clone();
    let plan = move |draft: &mut Draft<'_, '_>| {
        let there = draft.whole_or_none(&top)?;
        if matches!(there, Some(Item::File(_) | Item::Symlink(_))) && !mirror {
            return Err(Error::invalid("not a directory"));
        }
        let mut types = BTreeMap::new();
        for at in items.keys() {
            if let Some(Item::File(file)) = draft.item(at)? {
                types.insert(at.clone(), file.content_type);
            }
        }
        if mirror {
            let mut directory = Subdirectory::empty(with_mode(0o755));
            if let Some(Item::Directory(there)) = there {
                directory.attributes = there.attributes;
            }
            draft.set(&top, Some(Item::Directory(directory)))?;
        }
        for (at, item) in &items {
            let item = match (item.clone(), draft.item(at)?) {
                (Some(Item::Directory(new)), Some(Item::Directory(_))) => match draft.whole(at)? {
                    Item::Directory(there) => {
                        Item::Directory(Subdirectory { attributes: new.attributes, ..there })
                    }
                    other => other,
                },
                (Some(Item::File(mut new)), _) => {
                    new.content_type = types.get(at).cloned().flatten();
                    Item::File(new)
                }
                (Some(new), _) => new,
                (None, _) => continue,
            };
            draft.set(at, Some(item))?;
        }
        Ok(Default::default())
    };
    database.edit(&Edit::new("one by one", plan)).map(drop)
}

#[test]
fn what_comes_at_once_is_as_if_put_path_by_path_whatever_others_do_meanwhile() {
    let mut random = Random(7);
    let (mut done, mut refused) = (0, 0);
    for round in 0..400 {
        let (before, came, after) = (random.steps(true), random.steps(false), random.steps(true));
        let mirror = random.below(2) == 0;
        let top = path(["/a", "/a/b", "/c"][random.below(3) as usize]);
        let (one, other) = (database(), database());
        others(&one, &before);
        others(&other, &before);
        let mut load = load(&one);
        for step in &came {
            let at = Path::parse(&[top.as_bytes(), at(step).as_bytes()].concat()).unwrap();
            match step {
                Step::File(_, byte) => file(&mut load, &at.to_string(), &[*byte]),
                step => load.put(at, &item(&one, step).unwrap()).unwrap(),
            }
        }
        let placing = Placing { top: top.clone(), mirror, only_adds: false };
        // Refused at once is what would be refused if others had done nothing.
        let edit = edit(load, placing);
        others(&one, &after);
        others(&other, &after);
        let found = edit.and_then(|edit| one.edit(&edit)).map(drop);
        let expected = one_by_one(&other, &top, mirror, &came);
        let what = format!("round {round}: {top} {mirror} {before:?} {came:?} {after:?}");
        if came.is_empty() || (found.is_err() && expected.is_ok()) {
            continue;
        }
        assert_eq!(found.is_ok(), expected.is_ok(), "{what}: {found:?} {expected:?}");
        match found {
            Ok(()) => done += 1,
            Err(_) => refused += 1,
        }
        assert_eq!(tree(&one), tree(&other), "{what}");
    }
    assert!(done > 100 && refused > 10, "{done} {refused}");
}

#[test]
fn an_upload_that_met_what_a_collection_took_fails_whole_and_one_that_wrote_all_is_kept() {
    let database = database();
    let mut before = load(&database);
    file(&mut before, "/old", b"met");
    database.edit(&edit(before, placing("/", false)).unwrap()).unwrap();
    let first = database.reader().unwrap().history().unwrap().next().unwrap().unwrap();
    database.remove(&[path("/old")], false).unwrap();
    let mut writer = database.writer().unwrap();
    writer.forget_history(&[first.sequence]).unwrap();
    writer.commit().unwrap();
    let mut loads = [load(&database), load(&database)];
    file(&mut loads[0], "/t/met", b"met");
    file(&mut loads[1], "/t/new", b"new");
    let [met, new] = loads.map(|load| edit(load, placing("/t", false)).unwrap());
    crate::gc::collect(&database, false, &Monitor::new()).unwrap();
    assert!(matches!(database.edit(&met), Err(Error::Interrupted)));
    database.edit(&new).unwrap();
    drop((met, new));
    assert!(database.uploads().start().is_none());
    crate::gc::collect(&database, false, &Monitor::new()).unwrap();
    let reader = database.reader().unwrap();
    let found = reader.item(&reader.head(), path("/t/new")).unwrap();
    let Some(Item::File(record)) = found else { panic!("{found:?}") };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut reader.file(&record), &mut bytes).unwrap();
    assert_eq!(bytes, b"new");
}

#[test]
fn of_however_many_files_few_are_in_memory_until_they_are_there() {
    let database = database();
    let mut load = load(&database);
    let mut most = 0;
    for n in 0..100_000_u32 {
        file(&mut load, &format!("/t/d{}/{n}", n % 7), &n.to_le_bytes());
        most = most.max(load.upload.batches.held()).max(load.items.held());
    }
    assert!(most < 50_000, "{most}");
    let edit = edit(load, placing("/t", false)).unwrap();
    assert_eq!(edit.entries.len(), 0);
    let done = database.edit(&edit).unwrap();
    assert_eq!((done.files, done.directories, done.bytes), (100_000, 8, 400_000));
}
