//! What the commands work on: two local trees, databases of them, exports and a patch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use aeordb::clock::Clock;
use aeordb::db::{Database, Options};
use aeordb::hash::Kind;
use aeordb::internals::store::AppendEntries;

use crate::error::{Doing, Outcome};
use crate::sandbox::{self, Sandbox};

/// More changes than a collection keeps of what is old.
const CHANGES: usize = 1010;

/// Thirty voids fit into one sector.
const HOLES: u64 = 64;

/// The directory with all of it.
pub struct Base(Sandbox);

impl Base {
    /// Makes it anew.
    pub fn new(program: &Path, directory: PathBuf) -> Outcome<Base> {
        let sandbox = Sandbox::new(program, directory)?;
        old_tree(&sandbox.path("old"))?;
        new_tree(&sandbox.path("new"))?;
        stale_tree(&sandbox.path("stale"))?;
        strange_tree(&sandbox.path("strange"))?;
        for words in [
            "put old / -q -d first.aeordb",
            "snapshot create v0 -q -d first.aeordb",
            "export -q --output full-first.aeordb -d first.aeordb",
            "import -q --promote --file full-first.aeordb -d second.aeordb",
            "snapshot create v0 -q -d second.aeordb",
            "put -q --mirror new / -d second.aeordb",
            "snapshot create v1 -q -d second.aeordb",
            "export -q --output full.aeordb -d second.aeordb",
            "diff -q --from v0 --to v1 --output patch.aeordb -d second.aeordb",
            "import -q --promote --file full-first.aeordb -d worn.aeordb",
        ] {
            sandbox.ok(&words.split(' ').collect::<Vec<_>>())?;
        }
        wear(&sandbox.path("worn.aeordb"))?;
        sandbox.ok(&["put", "old", "/", "-q", "-d", "holed.aeordb"])?;
        make_holes(&sandbox.path("holed.aeordb"))?;
        sandbox::copy(&sandbox.path("first.aeordb"), &sandbox.path("torn.aeordb"))?;
        tear(&sandbox.path("torn.aeordb"))?;
        Ok(Base(sandbox))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Where it is, for the words of a command.
    pub fn directory(&self) -> String {
        self.0.path("").display().to_string().trim_end_matches('/').to_owned()
    }
}

/// Bytes that do not compress, others for every seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes a file and the directories above it.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Outcome<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).doing_to("cannot create", above)?;
    }
    fs::write(path, bytes).doing_to("cannot write", path)
}

/// A tree with a directory of small files, a text of several chunks, and files that do not
/// compress.
fn old_tree(at: &Path) -> Outcome<()> {
    let numbers: String = (1..20_000).map(|number| format!("{number}\n")).collect();
    write(&at.join("numbers"), numbers)?;
    write(&at.join("sub/gone"), "hi\n")?;
    for number in 0..60 {
        write(&at.join(format!("sub/note-{number}")), format!("note {number}\n"))?;
    }
    for (number, len) in (0..6).zip((30_000..).step_by(20_000)) {
        write(&at.join(format!("large-{number}")), noise(number, len))?;
    }
    Ok(())
}

/// The same tree one change of every sort later.
fn new_tree(at: &Path) -> Outcome<()> {
    old_tree(at)?;
    let numbers = at.join("numbers");
    let mut text = fs::read(&numbers).doing_to("cannot read", &numbers)?;
    text.extend_from_slice(b"more\n");
    write(&numbers, text)?;
    write(&at.join("fresh"), noise(100, 180_000))?;
    for gone in ["sub/gone", "large-3"] {
        let gone = at.join(gone);
        fs::remove_file(&gone).doing_to("cannot remove", &gone)?;
    }
    let empty = at.join("empty");
    fs::create_dir(&empty).doing_to("cannot create", &empty)?;
    symlink("numbers", at.join("link")).doing_to("cannot link", at)
}

/// What a restore of the new tree replaces.
fn stale_tree(at: &Path) -> Outcome<()> {
    for path in ["numbers", "large-0", "large-5", "sub/note-7", "link"] {
        write(&at.join(path), "stale\n")?;
    }
    Ok(())
}

/// What a mirror of the new tree replaces and removes.
fn strange_tree(at: &Path) -> Outcome<()> {
    stale_tree(at)?;
    for path in ["sub/unknown", "unknown/deep/file", "unknown/other"] {
        write(&at.join(path), "nothing that is known\n")?;
    }
    Ok(())
}

/// Zeros in place of some bytes of the largest blocks: entries are lost, the last commit is not.
fn tear(path: &Path) -> Outcome<()> {
    let mut bytes = fs::read(path).doing_to("cannot read", path)?;
    for at in [40_000, 100_000] {
        if let Some(torn) = bytes.get_mut(at..at + 64) {
            torn.fill(0);
        }
    }
    write(path, bytes)
}

/// Gives a database a long past of years ago, blocks that nothing reaches and blocks of which
/// little lives.
fn wear(path: &Path) -> Outcome<()> {
    let then = AtomicI64::new(1_600_000_000_000_000_000);
    let clock = Clock::from_fn(move || then.fetch_add(1_000_000_000, Ordering::Relaxed));
    let options = Options { clock, workers: 1, ..Options::default() };
    let database = Database::open_writer(path, &options)?;
    let full = database.reader()?.head();
    let empty = aeordb::object::Version::empty().id();
    for change in 0..CHANGES {
        let mut writer = database.writer()?;
        writer.set_head(if change % 2 == 0 { empty } else { full }, "put")?;
        writer.commit()?;
    }
    database.close()?;
    aeordb::compact::compact(path, &options, &aeordb::monitor::Monitor::new())?;
    let database = Database::open_writer(path, &options)?;
    for number in 0..4 {
        let mut writer = database.writer()?;
        writer.entries().append(Kind::Chunk, &noise(200 + number, 40_000))?;
        if number % 2 == 0 {
            // This one lives, in a block with the one that does not.
            let name = format!("/kept-{number}");
            let kept = noise(300 + number, 5_000);
            let chunk = aeordb::hash::ChunkId(writer.entries().append(Kind::Chunk, &kept)?);
            put(&mut writer, &name, chunk, &kept)?;
        }
        writer.commit()?;
    }
    Ok(database.close()?)
}

/// Gives a database so many blocks that nothing reaches, each between blocks that all of HEAD needs,
/// that the list of them which a collection makes is longer than a sector.
fn make_holes(path: &Path) -> Outcome<()> {
    let options = Options { workers: 1, ..Options::default() };
    let database = Database::open_writer(path, &options)?;
    for number in 0..HOLES {
        let mut writer = database.writer()?;
        writer.entries().append(Kind::Chunk, &noise(1000 + number, 5_000))?;
        writer.commit()?;
        let mut writer = database.writer()?;
        let kept = noise(2000 + number, 15_000);
        let chunk = aeordb::hash::ChunkId(writer.entries().append(Kind::Chunk, &kept)?);
        put(&mut writer, &format!("/held-{number}"), chunk, &kept)?;
        writer.commit()?;
    }
    Ok(database.close()?)
}

/// Makes a file of one chunk part of HEAD.
pub fn put(
    writer: &mut aeordb::db::Writer<'_>,
    path: &str,
    id: aeordb::hash::ChunkId,
    bytes: &[u8],
) -> Outcome<()> {
    use aeordb::object::{self, ChunkRef, Content, FileRecord, Item, Path};
    let len = u32::try_from(bytes.len()).doing("a chunk is too long")?;
    let content = Content::Inline(vec![ChunkRef { id, len }]);
    let record = FileRecord::new(u64::from(len), aeordb::hash::Hash::of(bytes), content);
    let items = BTreeMap::from([(Path::parse(path.as_bytes())?, Some(Item::File(record)))]);
    let head = writer.head_version()?;
    let version = object::apply(writer.entries(), &head.root, items)?;
    let id = writer.add_version(&version)?;
    Ok(writer.set_head(id, "put")?)
}
