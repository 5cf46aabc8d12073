//! Records in the order of their paths, however many: what does not fit in memory is written out
//! in sorted runs, which are merged when they are read.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::error::{Context, Error, Result};
use crate::limits::{PATH_LEN_MAX, VALUE_LEN_MAX};
use crate::object::Path;

/// Bytes of records in memory before they are written out.
const BUFFER_LEN: usize = 4 * 1024 * 1024;
/// Bytes that a record takes in memory beside its path and its value.
const RECORD_COST: usize = 96;
/// Most runs: more are made one.
const RUNS_MAX: usize = 128;
/// Bytes of each run that are read at once.
const READ_LEN: usize = 16 * 1024;
/// Bytes that are written at once.
const WRITE_LEN: usize = 256 * 1024;

/// Makes a file without a name.
pub type Spool = Arc<dyn Fn() -> Result<File> + Send + Sync>;

/// Something at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub path: Path,
    /// When it came: later ones count.
    pub number: u64,
    /// What of it counts among those of one number.
    pub rank: u8,
    /// Of an item, the number of what came as a file, if it is one of its paths.
    pub origin: u64,
    pub value: Vec<u8>,
}

impl Record {
    fn key(&self) -> (&Path, u64, u8) {
        (&self.path, self.number, self.rank)
    }

    fn cost(&self) -> usize {
        self.path.as_bytes().len() + self.value.len() + RECORD_COST
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let path = self.path.as_bytes();
        let len = |len: usize| u32::try_from(len).map_err(io::Error::other);
        out.write_all(&len(path.len())?.to_le_bytes())?;
        out.write_all(path)?;
        out.write_all(&self.number.to_le_bytes())?;
        out.write_all(&[self.rank])?;
        out.write_all(&self.origin.to_le_bytes())?;
        out.write_all(&len(self.value.len())?.to_le_bytes())?;
        out.write_all(&self.value)
    }

    /// The next record; `None` at the end.
    fn read(run: &mut BufReader<Run>) -> Result<Option<Record>> {
        if run.get_ref().is_done() && run.buffer().is_empty() {
            return Ok(None);
        }
        let path = Path::parse(&bytes(run, PATH_LEN_MAX)?)?;
        let number = u64::from_le_bytes(array(run)?);
        let [rank] = array(run)?;
        let origin = u64::from_le_bytes(array(run)?);
        let value = bytes(run, VALUE_LEN_MAX)?;
        Ok(Some(Record { path, number, rank, origin, value }))
    }
}

fn array<const N: usize>(run: &mut BufReader<Run>) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    run.read_exact(&mut bytes).context(reading)?;
    Ok(bytes)
}

fn bytes(run: &mut BufReader<Run>, limit: usize) -> Result<Vec<u8>> {
    let len = u32::from_le_bytes(array(run)?) as usize;
    if len > limit {
        let detail = format!("expected at most {limit} bytes, found {len}");
        return Err(Error::damaged("sorted records", 0, detail));
    }
    let mut bytes = vec![0; len];
    run.read_exact(&mut bytes).context(reading)?;
    Ok(bytes)
}

fn reading() -> String {
    "reading sorted records".into()
}

impl Ord for Record {
    fn cmp(&self, other: &Record) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Record) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Takes records in any order.
pub struct Sorter {
    spool: Spool,
    buffer_len: usize,
    buffer: Vec<Record>,
    cost: usize,
    spilled: Option<Spilled>,
}

/// What was written out.
struct Spilled {
    file: Arc<File>,
    end: u64,
    runs: Vec<Range<u64>>,
}

impl Sorter {
    /// No records yet. What does not fit in memory goes to a file that `spool` makes.
    pub fn new(spool: &Spool) -> Self {
        let (spool, buffer) = (spool.clone(), Vec::new());
        Sorter { spool, buffer_len: BUFFER_LEN, buffer, cost: 0, spilled: None }
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) -> Result<()> {
        self.cost += record.cost();
        self.buffer.push(record);
        if self.cost >= self.buffer_len { self.spill() } else { Ok(()) }
    }

    /// How many records are in memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    fn spill(&mut self) -> Result<()> {
        let mut records = std::mem::take(&mut self.buffer);
        self.cost = 0;
        records.sort_unstable();
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => {
                let file = Arc::new((self.spool)()?);
                none.insert(Spilled { file, end: 0, runs: Vec::new() })
            }
        };
        spilled.write(records.into_iter().map(Ok))?;
        if spilled.runs.len() >= RUNS_MAX {
            let runs = spilled.runs.clone();
            let merged = Merged::new(spilled.open(&runs))?;
            spilled.write(merged)?;
            spilled.runs.drain(..runs.len());
        }
        Ok(())
    }

    /// What is read again and again.
    pub fn finish(mut self) -> Result<Sorted> {
        if self.spilled.is_some() && !self.buffer.is_empty() {
            self.spill()?;
        }
        self.buffer.sort_unstable();
        Ok(Sorted { buffer: self.buffer, spilled: self.spilled })
    }
}

impl Spilled {
    fn write(&mut self, records: impl Iterator<Item = Result<Record>>) -> Result<()> {
        let what = || "writing sorted records".into();
        let start = self.end;
        let mut out = BufWriter::with_capacity(WRITE_LEN, At { file: &self.file, at: start });
        for record in records {
            record?.write(&mut out).context(what)?;
        }
        out.flush().context(what)?;
        self.end = out.get_ref().at;
        self.runs.push(start..self.end);
        Ok(())
    }

    fn open(&self, runs: &[Range<u64>]) -> Vec<Source<'static>> {
        let run = |run: &Range<u64>| Run { file: self.file.clone(), at: run.start, end: run.end };
        runs.iter()
            .map(|range| Source::Run(BufReader::with_capacity(READ_LEN, run(range))))
            .collect()
    }
}

/// Records in their order.
pub struct Sorted {
    buffer: Vec<Record>,
    spilled: Option<Spilled>,
}

impl Sorted {
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.spilled.is_none()
    }

    /// All of them, with those of others, from the start.
    pub fn merged<'s>(all: impl IntoIterator<Item = &'s Sorted>) -> Result<Merged<'s>> {
        let mut sources = Vec::new();
        for sorted in all {
            sources.push(Source::Memory(sorted.buffer.iter()));
            if let Some(spilled) = &sorted.spilled {
                sources.extend(spilled.open(&spilled.runs));
            }
        }
        Merged::new(sources)
    }
}

/// A place of a file that is written to.
struct At<'f> {
    file: &'f File,
    at: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part of a file that is read.
struct Run {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Run {
    fn is_done(&self) -> bool {
        self.at >= self.end
    }
}

impl Read for Run {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

enum Source<'s> {
    Memory(std::slice::Iter<'s, Record>),
    Run(BufReader<Run>),
}

impl Source<'_> {
    fn next(&mut self) -> Result<Option<Record>> {
        match self {
            Source::Memory(records) => Ok(records.next().cloned()),
            Source::Run(run) => Record::read(run),
        }
    }
}

/// Merges sorted records. Ends after an error.
pub struct Merged<'s> {
    sources: Vec<Source<'s>>,
    /// The next record of each source, the least first.
    next: BinaryHeap<Reverse<(Record, usize)>>,
}

impl<'s> Merged<'s> {
    fn new(mut sources: Vec<Source<'s>>) -> Result<Self> {
        let mut next = BinaryHeap::with_capacity(sources.len());
        for (number, source) in sources.iter_mut().enumerate() {
            if let Some(record) = source.next()? {
                next.push(Reverse((record, number)));
            }
        }
        Ok(Merged { sources, next })
    }

    fn step(&mut self) -> Result<Option<Record>> {
        let Some(Reverse((record, number))) = self.next.pop() else { return Ok(None) };
        let source = self.sources.get_mut(number);
        if let Some(after) = source.map_or(Ok(None), Source::next)? {
            self.next.push(Reverse((after, number)));
        }
        Ok(Some(record))
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.next.clear();
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u64, value: usize) -> Record {
        // A permutation, so that runs overlap.
        let name = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let path = format!("/{:02x}/{name:016x}", name % 7);
        Record {
            path: path.parse().unwrap(),
            number: n,
            rank: 2,
            origin: n,
            value: vec![b'v'; value],
        }
    }

    #[test]
    fn any_number_of_records_comes_back_in_order_and_few_of_them_are_in_memory() {
        let spool: Spool =
            Arc::new(|| tempfile::tempfile().context(|| "making a file for a test".into()));
        for (count, len, buffer_len) in
            [(0, 0, 1), (3, 10, BUFFER_LEN), (30_000, 300, BUFFER_LEN), (3000, 10, 1024)]
        {
            let mut sorter = Sorter { buffer_len, ..Sorter::new(&spool) };
            for n in 0..count {
                sorter.push(record(n, len)).unwrap();
                assert!(sorter.buffer.len() * (len + RECORD_COST) <= buffer_len);
            }
            let sorted = sorter.finish().unwrap();
            let runs = sorted.spilled.as_ref().map_or(0, |spilled| spilled.runs.len());
            assert!(runs < RUNS_MAX && (runs > 1) == (count > 3), "{runs} runs of {count}");
            for _ in 0..2 {
                let mut last: Option<Record> = None;
                let mut seen = 0;
                for record in Sorted::merged([&sorted]).unwrap() {
                    let record = record.unwrap();
                    assert!(last.is_none_or(|last| last < record));
                    assert_eq!(record.value.len(), len);
                    last = Some(record);
                    seen += 1;
                }
                assert_eq!(seen, count);
            }
        }
    }
}
