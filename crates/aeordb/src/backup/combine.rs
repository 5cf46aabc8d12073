//! Combine: a full export and its patches become one full export, patches alone one patch. No
//! database is needed.

use std::collections::{HashSet, VecDeque};
use std::io::{BufReader, Write};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::backup::diff::{PatchReport, diff_for};
use crate::backup::export::{ExportReport, export_for};
use crate::backup::import::chain::{Head, Input, look_ahead};
use crate::backup::import::copy::{self, Named, check_block};
use crate::backup::layered::open_with;
use crate::backup::listing::{Sum, Tally, composed};
use crate::db::{FileKind, Options};
use crate::encryption::Recipients;
use crate::error::{Context, Error, Result};
use crate::format::block::{self, TableEntry};
use crate::format::change_list::{self, ChangeList, ChangeListWriter, ChangeRecord};
use crate::format::cipher::{self, Cipher};
use crate::format::link::Link;
use crate::format::{FRAME_HEADER_LEN, FrameHeader};
use crate::hash::{Hash, Kind, VersionId};
use crate::log::sealed::SealedWriter;
use crate::log::stream::{Delta, Part, StreamReader};
use crate::media::{self, Media, open_read};
use crate::monitor::Monitor;
use crate::object::Path;
use crate::pool::Compression;
use crate::pool::{Pool, Queue};
use crate::store::RawBlock;

/// What came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combined {
    /// A full export.
    Export(ExportReport),
    /// A patch.
    Patch(PatchReport),
}

/// Writes one file to `out` that stands for all of `files`, which must follow each other. If the
/// first is a full export (or a database), the result is one too, and only what its version needs
/// is in it; what the patches bring goes through a file without a name in `scratch`.
///
/// If all are patches, so is the result. With `base`, a full export or database that has the version
/// they start from, it is the patch that `diff` makes of the two versions. Without it nobody can tell
/// which entries the target needs, so it has all that the patches have, each once; its list of
/// changes is exact either way.
pub fn combine(
    files: &[PathBuf],
    base: Option<&LocalPath>,
    out: &mut dyn Write,
    scratch: &LocalPath,
    options: &Options,
    monitor: &Monitor,
) -> Result<Combined> {
    combine_for(files, base, None, (out, scratch), options, monitor)
}

/// The same, encrypted if there are recipients, for them alone.
pub fn combine_for(
    files: &[PathBuf],
    base: Option<&LocalPath>,
    recipients: Option<&dyn Recipients>,
    (out, scratch): (&mut dyn Write, &LocalPath),
    options: &Options,
    monitor: &Monitor,
) -> Result<Combined> {
    let inputs: Vec<Input> = files.iter().cloned().map(Input::File).collect();
    let heads = look_ahead(&inputs)?;
    let Some((first, rest)) = files.split_first() else {
        return Err(Error::invalid("there is nothing to combine"));
    };
    let is_patch =
        |head: &Option<Head>| head.as_ref().is_some_and(|head| head.kind == FileKind::Patch);
    if let Some(at) = heads.iter().skip(1).position(|head| !is_patch(head)) {
        let name = files.get(at + 1).map(|file| file.display().to_string()).unwrap_or_default();
        return Err(Error::invalid(format!("{name} is no patch: only the first file may be full")));
    }
    let from = heads.first().and_then(Option::as_ref).and_then(|head| head.base);
    if let Some(base) = base {
        let Some(from) = from else {
            return Err(Error::invalid(format!("{} is no patch", first.display())));
        };
        let database = open_with(base, files, scratch, options, monitor)?;
        let reader = database.reader()?;
        let versions = (&from, &reader.head());
        return diff_for(&reader, versions, recipients, out, monitor).map(Combined::Patch);
    }
    if from.is_some() {
        let heads: Vec<Head> = heads.into_iter().flatten().collect();
        return combine_patches(files, &heads, recipients, out, options, monitor)
            .map(Combined::Patch);
    }
    let database = open_with(first, rest, scratch, options, monitor)?;
    let reader = database.reader()?;
    export_for(&reader, &reader.head(), recipients, out, monitor).map(Combined::Export)
}

fn combine_patches(
    files: &[PathBuf],
    heads: &[Head],
    recipients: Option<&dyn Recipients>,
    out: &mut dyn Write,
    options: &Options,
    monitor: &Monitor,
) -> Result<PatchReport> {
    let lists: Vec<List> =
        files.iter().map(|file| List::find(file, monitor)).collect::<Result<_>>()?;
    let base = heads.first().and_then(|head| head.base);
    let target = heads.last().map(|head| head.target);
    let Some((from, to)) = base.zip(target) else {
        return Err(Error::invalid("there is nothing to combine"));
    };
    let required = heads.iter().fold(0, |required, head| required | head.required);
    let pool = Arc::new(Pool::new(options.workers));
    let mut out = SealedWriter::new(out, pool.clone(), Some(&from), &to, required, recipients)?;
    let contents: Vec<[u8; 32]> = lists.iter().map(|list| list.content).collect();
    let sum = write_changes(lists, &mut out)?;
    // Patches that lead back to where they started change nothing.
    let mut chunks = 0;
    if from != to {
        let (seen, under_way) = (HashSet::new(), Queue::new(&pool));
        let mut copy = Copy { monitor, seen, under_way, chunks: 0 };
        for ((file, head), content) in files.iter().zip(heads).zip(contents) {
            copy.file(file, head, content, &mut out)?;
        }
        chunks = copy.chunks;
    }
    let (closing, bytes) = out.finish(|closing| {
        sum.fill(closing);
        closing.chunks = chunks.into();
    })?;
    Ok(PatchReport::new(&from, &to, &sum, &closing, bytes))
}

/// The list of changes of one patch, read part by part from where the parts stand.
struct List {
    file: Arc<dyn Media>,
    name: String,
    parts: VecDeque<u64>,
    part: Option<ChangeList>,
    next: Option<(Path, ChangeRecord)>,
    cipher: Option<Arc<Cipher>>,
    /// The seal of the whole file.
    content: [u8; 32],
}

impl List {
    /// Reads the whole file once: that it is what was written, and where its list is.
    fn find(path: &LocalPath, monitor: &Monitor) -> Result<List> {
        let (file, name) = (open_read(path)?, path.display().to_string());
        let mut input = BufReader::with_capacity(64 * 1024, media::stream(file.clone()));
        let mut stream = StreamReader::new(&mut input, name.clone())?;
        let mut tally = Tally::default();
        let mut parts = VecDeque::new();
        let content = loop {
            monitor.check()?;
            match stream.next_part()? {
                Part::Changes(changes) => {
                    parts.push_back(changes.offset());
                    copy::tally(&mut tally, changes, &name, stream.offset())?;
                }
                Part::Block(..) | Part::Delta(..) | Part::Link(..) | Part::Unopened(_) => {}
                Part::End(closing) => break closing.content,
            }
        };
        let cipher = stream.cipher().cloned();
        let mut list = List { file, name, parts, part: None, next: None, cipher, content };
        list.advance()?;
        Ok(list)
    }

    /// Goes to the next change.
    fn advance(&mut self) -> Result<()> {
        loop {
            if let Some(change) = self.part.as_mut().and_then(Iterator::next) {
                let change = change.map_err(|error| error.in_file(&self.name))?;
                self.next = Some((Path::parse(&change.path)?, change));
                return Ok(());
            }
            self.part = match self.parts.pop_front() {
                Some(at) => Some(self.read(at).map_err(|error| error.in_file(&self.name))?),
                None => {
                    self.next = None;
                    return Ok(());
                }
            };
        }
    }

    fn read(&self, at: u64) -> Result<ChangeList> {
        let reading = || format!("reading {}", self.name);
        let mut start = [0; FRAME_HEADER_LEN];
        self.file.read_exact_at(&mut start, at).context(reading)?;
        let header = FrameHeader::parse(&start)
            .ok_or_else(|| Error::damaged("", at, "expected a list of changes, found no frame"))?;
        let plain = match &self.cipher {
            None => header,
            Some(_) => cipher::plain_header(at, &header)?,
        };
        change_list::check_header(at, &plain)?;
        let mut body = vec![0; usize::try_from(header.body_len.get()).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut body, at + FRAME_HEADER_LEN as u64).context(reading)?;
        let Some(cipher) = &self.cipher else {
            return change_list::parse(at, &header, &body);
        };
        let len = cipher.open_body(at, &header, &mut body)?;
        body.truncate(len);
        change_list::parse(at, &plain.sealed([body.as_slice()]), &body)
    }
}

/// Writes the changes that all lists together come to.
fn write_changes(mut lists: Vec<List>, out: &mut SealedWriter<'_>) -> Result<Sum> {
    let mut list = ChangeListWriter::default();
    let mut tally = Tally::default();
    loop {
        let paths = lists.iter().filter_map(|list| list.next.as_ref().map(|(path, _)| path));
        let Some(path) = paths.min().cloned() else { break };
        let mut changes = Vec::with_capacity(lists.len());
        let mut last = "";
        for list in &mut lists {
            if let Some((_, change)) = list.next.take_if(|(next, _)| *next == path) {
                changes.push(change);
                list.advance()?;
                last = &list.name;
            }
        }
        let change = composed(&changes).map_err(|error| match error {
            Error::Invalid(detail) => Error::damaged(last, 0, detail),
            other => other,
        })?;
        if let Some(change) = change {
            tally.add(&change)?;
            list.push(&change)?.map_or(Ok(()), |frame| out.push_changes(&frame))?;
        }
    }
    list.finish()?.map_or(Ok(()), |frame| out.push_changes(&frame))?;
    Ok(tally.finish())
}

/// A frame to be written; a block while it is being checked.
enum Frame {
    Block(Result<(RawBlock, Vec<Named>)>),
    Delta(Delta),
    Link(Link),
}

/// Copies the frames of patches in their order, which deltas rely on.
struct Copy<'w> {
    monitor: &'w Monitor,
    /// Entries that were written and can be read by name.
    seen: HashSet<Hash>,
    under_way: Queue<Frame>,
    /// Chunks in the files, each once; how many are in a delta only its file tells.
    chunks: u64,
}

impl Copy<'_> {
    /// Copies the file at `path`, whose seal was `content` when it was read first.
    fn file(
        &mut self,
        path: &LocalPath,
        head: &Head,
        content: [u8; 32],
        out: &mut SealedWriter<'_>,
    ) -> Result<()> {
        let name = path.display().to_string();
        let mut input = BufReader::with_capacity(64 * 1024, media::stream(open_read(path)?));
        let mut stream = StreamReader::new(&mut input, name.clone())?;
        let version = |id: Option<VersionId>| id.map(|id| *id.0.as_bytes()).unwrap_or_default();
        // A patch that was put together itself says where each of its patches starts.
        let mut link = Some(Link { base: version(head.base), target: version(Some(head.target)) });
        loop {
            self.monitor.check()?;
            let at = stream.offset();
            let part = stream.next_part()?;
            match &part {
                Part::Link(..) => link = None,
                Part::Block(..) | Part::Delta(_) => {
                    link.take().into_iter().for_each(|link| self.under_way.push(Frame::Link(link)));
                }
                Part::Changes(_) | Part::Unopened(_) | Part::End(_) => {}
            }
            match part {
                Part::Changes(_) => continue,
                Part::Unopened(_) => {
                    return Err(Error::encrypted(name, "nothing of it was opened"));
                }
                Part::Link(_, inner) => self.under_way.push(Frame::Link(inner)),
                Part::Block(at, block) => {
                    let name = name.clone();
                    self.under_way.submit(move || {
                        let checked = check_block(at, &block).map_err(|e| e.in_file(&name));
                        Frame::Block(checked.map(|entries| (block, entries)))
                    });
                }
                Part::Delta(delta) => self.under_way.push(Frame::Delta(delta)),
                Part::End(closing) if closing.content == content => {
                    self.chunks += closing.chunks.get();
                    break;
                }
                Part::End(_) => {
                    return Err(Error::damaged(name, at, "the file was changed while it was read"));
                }
            }
            self.monitor.advance(0, stream.offset() - at);
            while let Some(frame) = self.under_way.surplus() {
                self.write(frame, out)?;
            }
        }
        while let Some(frame) = self.under_way.take() {
            self.write(frame, out)?;
        }
        Ok(())
    }

    fn write(&mut self, frame: Frame, out: &mut SealedWriter<'_>) -> Result<()> {
        match frame {
            Frame::Link(link) => out.push_link(&link),
            Frame::Delta(delta) => {
                out.push_delta_here(&delta.frame, delta.count(), delta.raw_len())
            }
            Frame::Block(checked) => {
                let (block, entries) = checked?;
                self.write_block(&block, entries, out)
            }
        }
    }

    /// Writes what of a block was not written before.
    fn write_block(
        &mut self,
        block: &RawBlock,
        entries: Vec<Named>,
        out: &mut SealedWriter<'_>,
    ) -> Result<()> {
        let count = entries.len();
        let (new, old): (Vec<Named>, Vec<Named>) =
            entries.into_iter().partition(|(_, hash, _)| self.seen.insert(*hash));
        let chunks = old.iter().filter(|(kind, ..)| *kind == Kind::Chunk).count();
        self.chunks = self.chunks.saturating_sub(chunks as u64);
        if new.len() == count {
            return out.push_block_here(&block.frame, &block.head.entries);
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut table = Vec::with_capacity(new.len());
        let mut raw = Vec::new();
        for (kind, hash, bytes) in new {
            #[expect(clippy::cast_possible_truncation, reason = "an entry is at most 1 MiB")]
            table.push(TableEntry { hash, kind, len: bytes.len() as u32 });
            raw.extend_from_slice(&bytes);
        }
        out.push_block_here(
            &block::encode(block.head.class, &table, &raw, Compression::default())?,
            &table,
        )
    }
}
