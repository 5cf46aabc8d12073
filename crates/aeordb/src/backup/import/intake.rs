//! What every import does, wherever it leads: takes files in order, each of which starts where the one
//! before it ends, copies their entries, and proves what comes out.

use std::io::{self, BufRead, Read};

use crate::backup::import::chain::{Chain, Head, Input, follows, look_ahead};
use crate::backup::import::copy;
use crate::db::Writer;
use crate::error::{Context, Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::log::stream::{Part, StreamReader};
use crate::monitor::Monitor;
use crate::store::Transaction;

/// Takes the files, and proves that the version which the last of them leads to is complete and what
/// they promise. `starts` is asked about the first one for a version that is complete here and near
/// to what it leads to; of a file of which it says `None`, nothing is taken, and the next one is the
/// first. Nothing is visible yet.
pub(super) fn take(
    writer: &mut Writer<'_>,
    inputs: Vec<Input>,
    mut starts: impl FnMut(&mut Writer<'_>, &Head) -> Result<Option<VersionId>>,
    monitor: &Monitor,
) -> Result<Chain> {
    let heads = look_ahead(&inputs)?;
    let mut known = None;
    let mut chain = Chain::default();
    for input in inputs {
        let (name, is_one) = (input.name(), input.is_one());
        let mut read = input.open(Some(writer.database()))?;
        for number in 1.. {
            let mut stream = match (is_one, number) {
                (true, _) => StreamReader::new(&mut read, &name)?,
                (false, 1) => StreamReader::first(&mut read, &name)?,
                (false, _) => another(&mut read, format!("{name}, file {number}"))?,
            };
            let file = Head::new(stream.name(), stream.superblock());
            match chain.last() {
                Some(before) => follows(before, &file, &heads)?,
                None => known = starts(writer, &file)?,
            }
            if known.is_some() {
                let copied = copy::copy(writer, &mut stream, monitor)?;
                // What the next file refers to is found where it is written.
                writer.entries().flush()?;
                chain.push(file, copied);
            } else {
                pass_over(&mut stream, monitor)?;
            }
            if is_at_end(&mut read).context(|| format!("reading {name}"))? {
                break;
            }
        }
    }
    if let (Some(last), Some(known)) = (chain.last(), known) {
        prove(writer, last, &known, monitor)?;
        chain.check(writer)?;
    }
    Ok(chain)
}

/// Reads a file to its end.
fn pass_over(stream: &mut StreamReader<'_>, monitor: &Monitor) -> Result<()> {
    while !matches!(stream.next_part()?, Part::End(_)) {
        monitor.check()?;
    }
    Ok(())
}

/// Reads the head of a file that follows another one: what is none should have been the end.
fn another(read: &mut dyn Read, name: String) -> Result<StreamReader<'_>> {
    StreamReader::first(read, name).map_err(|error| match error {
        Error::Foreign { what, detail } => {
            let detail = format!("it {detail}; expected the end of the input or another file");
            Error::damaged(what, 0, detail)
        }
        other => other,
    })
}

/// Whether nothing more comes; an interruption is none.
fn is_at_end(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match input.fill_buf().map(<[u8]>::is_empty) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}

/// Proves that the version that the last file leads to is complete.
fn prove(writer: &mut Writer<'_>, last: &Head, known: &VersionId, monitor: &Monitor) -> Result<()> {
    let (version, supplier) = (last.target, last.base);
    // All of it is written: the copy has seen to that.
    let (written, pool) = (writer.entries().written(), writer.database().pool());
    let proved = graph::prove(&written, &version, Some(known), pool, monitor);
    proved
        .map_err(|error| match error {
            Error::Incomplete { version, missing, .. } => {
                Error::Incomplete { version, missing, supplier }
            }
            Error::NotFound(_) => Error::Incomplete { version, missing: 1, supplier },
            other => other,
        })?
        .check_paths(&version)
}
