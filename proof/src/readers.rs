//! Readers that open a database while another process writes to it, collects it and compacts it. Each
//! sees one whole commit, none older than the last that was acknowledged before it opened, and no
//! damage.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path as LocalPath;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use aeordb::db::{Database, Options as DatabaseOptions, Reader};
use aeordb::hash::{ChunkId, Kind};
use aeordb::internals::store::AppendEntries;
use aeordb::monitor::Monitor;
use aeordb::object::{Item, Path};
use aeordb::{compact, gc};

use crate::base::{self, noise};
use crate::error::{Doing, Error, Outcome};
use crate::options::Options;
use crate::sandbox::Sandbox;
use crate::state;
use crate::verbs::DATABASE;

/// The word by which this program is told to be the writer.
pub const WRITER: &str = "write-beside";
/// Opens, unless told otherwise.
const OPENS: usize = 100_000;
/// Every version has these files, each with the number of the version and bytes of its own.
const FILES: [(&str, usize); 5] =
    [("/a", 10), ("/b", 3000), ("/c/d", 200), ("/c/e", 9000), ("/z", 15_000)];
/// A number in front of the bytes of a file.
const NUMBER_LEN: usize = 8;
/// What the writer does every so many versions.
const COLLECTED: u64 = 7;
const NAMED: u64 = 5;
const COMPACTED: u64 = 60;
/// So many versions it keeps in its history.
const KEPT: usize = 20;
/// Every so many opens the real program reads, and all of the file is verified.
const RUN: usize = 250;
const VERIFIED: usize = 50;
/// So many errors are shown.
const SHOWN: usize = 20;

/// Opens and reads beside a writer; true if nothing was wrong.
pub fn run(options: &Options) -> Outcome<bool> {
    let sandbox = Sandbox::new(&options.program, options.work.join("readers"))?;
    let mut writer = Writer::start(&sandbox.path(DATABASE))?;
    let most = options.opens.unwrap_or(OPENS);
    let work = Work {
        sandbox: &sandbox,
        most,
        begun: AtomicUsize::new(0),
        wrong: AtomicUsize::new(0),
        acknowledged: AtomicU64::new(writer.next()?),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(|| work.read_all())).collect();
        let listening = scope.spawn(|| work.listen(&mut writer));
        let mut outcome = Ok(());
        for reader in readers {
            outcome = outcome.and(reader.join().unwrap_or_else(|_| panicked()));
        }
        work.stop.store(true, Ordering::Relaxed);
        outcome.and(listening.join().unwrap_or_else(|_| panicked()))
    })?;
    let (wrong, versions) = (work.wrong.into_inner(), work.acknowledged.into_inner());
    say(&format!("{most} opens beside a writer of {versions} versions: {wrong} wrong"));
    state::sound(&sandbox.path(DATABASE))?;
    Ok(wrong == 0)
}

fn panicked() -> Outcome<()> {
    Err(Error::new("a thread panicked"))
}

#[expect(clippy::print_stdout, reason = "the report")]
fn say(line: &str) {
    println!("{line}");
}

/// What readers share.
struct Work<'a> {
    sandbox: &'a Sandbox,
    most: usize,
    begun: AtomicUsize,
    wrong: AtomicUsize,
    /// The last version that the writer said it committed.
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl Work<'_> {
    /// Takes in what the writer says until the readers are done; then it ends.
    fn listen(&self, writer: &mut Writer) -> Outcome<()> {
        while !self.stop.load(Ordering::Relaxed) {
            match writer.next() {
                Ok(number) => self.acknowledged.store(number, Ordering::SeqCst),
                Err(error) => {
                    self.begun.store(self.most, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        writer.end()
    }

    fn read_all(&self) -> Outcome<()> {
        loop {
            let nth = self.begun.fetch_add(1, Ordering::Relaxed);
            if nth >= self.most {
                return Ok(());
            }
            let least = self.acknowledged.load(Ordering::SeqCst);
            let read = match nth % RUN {
                0 => self.read_by_program(least),
                _ => self.read(least, nth.is_multiple_of(VERIFIED)),
            };
            if let Err(error) = read
                && self.wrong.fetch_add(1, Ordering::Relaxed) < SHOWN
            {
                say(&format!("WRONG: open {nth}, version {least} or later: {error}"));
            }
        }
    }

    fn read(&self, least: u64, verify: bool) -> Outcome<()> {
        let path = self.sandbox.path(DATABASE);
        if verify {
            state::sound(&path)?;
        }
        let options = DatabaseOptions { workers: 1, ..DatabaseOptions::default() };
        let database = Database::open(&path, &options)?;
        if let Some(damage) = database.log().damages().first() {
            return Err(Error::new(format!("damage at {}: {}", damage.offset, damage.detail)));
        }
        let reader = database.reader()?;
        reader.snapshots()?;
        let found = version_of(&reader)?;
        match found >= least {
            true => Ok(()),
            false => Err(Error::new(format!("found version {found}"))),
        }
    }

    fn read_by_program(&self, least: u64) -> Outcome<()> {
        let (path, _) = FILES[0];
        let output = self.sandbox.run(&["cat", path, "-d", DATABASE])?;
        let number = output.stdout.first_chunk().map(|number| u64::from_le_bytes(*number));
        match number {
            Some(number) if output.status.success() && number >= least => Ok(()),
            _ => {
                let err = String::from_utf8_lossy(&output.stderr);
                Err(Error::new(format!("cat found {number:?}, {}: {err}", output.status)))
            }
        }
    }
}

/// The number that all files of HEAD have, whose bytes must be those of that version.
fn version_of(reader: &Reader) -> Outcome<u64> {
    let mut number = None;
    for (path, len) in FILES {
        let item = reader.item(&reader.head(), &Path::parse(path.as_bytes())?)?;
        let Some(Item::File(record)) = item else {
            return Err(Error::new(format!("{path} is not there")));
        };
        let mut bytes = Vec::new();
        reader.file(&record).read_to_end(&mut bytes).doing("cannot read a file")?;
        let found = bytes.first_chunk::<NUMBER_LEN>().map(|number| u64::from_le_bytes(*number));
        let found = found.ok_or_else(|| Error::new(format!("{path} is too short")))?;
        if *number.get_or_insert(found) != found || bytes != content(found, path, len) {
            return Err(Error::new(format!("{path} is of version {found}, others of {number:?}")));
        }
    }
    number.ok_or_else(|| Error::new("there are no files"))
}

fn content(number: u64, path: &str, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(noise(number ^ path.len() as u64, len));
    bytes
}

/// The process that writes.
struct Writer {
    child: Child,
    lines: Box<dyn Iterator<Item = std::io::Result<String>> + Send>,
}

impl Writer {
    fn start(database: &LocalPath) -> Outcome<Writer> {
        let ourselves = std::env::current_exe().doing("cannot find this program")?;
        let mut command = Command::new(ourselves);
        command.arg(WRITER).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().doing("cannot start a writer")?;
        let out = child.stdout.take().ok_or_else(|| Error::new("a writer has no output"))?;
        Ok(Writer { child, lines: Box::new(BufReader::new(out).lines()) })
    }

    /// The next version that is committed.
    fn next(&mut self) -> Outcome<u64> {
        let line = self.lines.next().ok_or_else(|| Error::new("the writer ended"))?;
        line.doing("cannot read what the writer says")?.parse().doing("the writer says")
    }

    /// It ends when nobody tells it to go on, and what it did is whole.
    fn end(&mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        while self.lines.next().is_some() {}
        let status = self.child.wait().doing("cannot wait for the writer")?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::new(format!("the writer ended with {status}"))),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After an error it may be there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Commits one version after the other and says so, until its input ends.
pub fn write_beside(mut arguments: impl Iterator<Item = OsString>) -> Outcome<()> {
    let path = arguments.next().ok_or_else(|| Error::new("write-beside: no database"))?;
    let path = LocalPath::new(&path);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            ended.store(true, Ordering::Relaxed);
        });
        let options = DatabaseOptions { workers: 1, ..DatabaseOptions::default() };
        let mut database = Database::open_or_create(path, &options)?;
        for number in 1_u64.. {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            commit(&database, number)?;
            writeln!(std::io::stdout(), "{number}").doing("cannot say what was committed")?;
            if number.is_multiple_of(NAMED) {
                let head = database.reader()?.head();
                database.create_snapshot(&format!("v{number}"), &head, BTreeMap::new())?;
            }
            if number.is_multiple_of(2 * NAMED) {
                database.delete_snapshot(&format!("v{}", number - NAMED))?;
            }
            if number.is_multiple_of(COLLECTED) {
                forget(&database)?;
                gc::collect(&database, false, &Monitor::new())?;
            }
            if number.is_multiple_of(COMPACTED) {
                database.close()?;
                compact::compact(path, &options, &Monitor::new())?;
                database = Database::open_writer(path, &options)?;
            }
        }
        Ok(database.close()?)
    })
}

fn commit(database: &Database, number: u64) -> Outcome<()> {
    let mut writer = database.writer()?;
    for (path, len) in FILES {
        let bytes = content(number, path, len);
        let chunk = ChunkId(writer.entries().append(Kind::Chunk, &bytes)?);
        base::put(&mut writer, path, chunk, &bytes)?;
    }
    writer.commit()?;
    Ok(())
}

/// What readers have long passed is collected.
fn forget(database: &Database) -> Outcome<()> {
    let mut writer = database.writer()?;
    let old = writer.history()?.into_iter().map(|entry| entry.sequence).collect::<Vec<_>>();
    writer.forget_history(&old[..old.len().saturating_sub(KEPT)])?;
    writer.commit()?;
    Ok(())
}
