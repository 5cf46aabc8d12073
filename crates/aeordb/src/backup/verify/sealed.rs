//! Sealed files, read from front to back: each frame, the seal, and whoever has the key all that is in it.

use std::io::BufReader;
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::{VerifyReport, prove_versions};
use crate::backup::import::copy;
use crate::backup::listing::Tally;
use crate::db::{Database, FileKind};
use crate::error::{Context, Error, Result};
use crate::log::stream::{Part, StreamReader};
use crate::media::{self, open_read};
use crate::monitor::Monitor;
use crate::pool::{Pool, Queue};

/// Verifies an export or a patch; `database` is the same file, as far as it could be opened.
pub(super) fn verify_sealed(
    path: &LocalPath,
    database: Option<&Database>,
    kind: FileKind,
    deep: bool,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let name = path.display().to_string();
    let media = open_read(path)?;
    monitor.expect_more(media.len().context(|| format!("looking at {name}"))?);
    let mut input = BufReader::with_capacity(64 * 1024, media::stream(media));
    let first = StreamReader::new(&mut input, name.clone());
    let unopened = matches!(&first, Err(Error::Encrypted { .. })) && !deep;
    let mut again;
    let mut stream = match unopened {
        false => first?,
        true => {
            again = BufReader::with_capacity(64 * 1024, media::stream(open_read(path)?));
            StreamReader::unopened(&mut again, name)?
        }
    };
    let kind = stream.superblock().file_kind().unwrap_or(kind);
    let mut report = VerifyReport { unopened, ..VerifyReport::new(kind, deep) };
    let pool = database.map_or_else(|| Arc::new(Pool::new(0)), |database| database.pool().clone());
    look(&mut stream, &mut report, &pool, monitor)?;
    report.bytes = stream.offset();
    if deep
        && kind == FileKind::Export
        && report.damages.is_empty()
        && let Some(database) = database
    {
        prove_versions(&database.reader()?, &mut report, monitor)?;
    }
    Ok(report)
}

/// Looks at each frame, up to the end or to what is damaged so that nothing after it is found.
fn look(
    stream: &mut StreamReader<'_>,
    report: &mut VerifyReport,
    pool: &Arc<Pool>,
    monitor: &Monitor,
) -> Result<()> {
    let mut under_way: Queue<(u64, Result<()>)> = Queue::new(pool);
    let mut tally = Tally::default();
    loop {
        monitor.check()?;
        let at = stream.offset();
        match stream.next_part() {
            Ok(Part::Block(at, block)) => {
                report.blocks += 1;
                report.entries += block.head.entries.len() as u64;
                if report.deep {
                    under_way.submit(move || (at, copy::check_block(at, &block).map(drop)));
                }
            }
            Ok(Part::Delta(delta)) => {
                report.blocks += 1;
                report.entries += delta.count();
                report.unproved += delta.count();
            }
            Ok(Part::Unopened(header)) => {
                report.blocks += 1;
                report.entries += u64::from(header.count.get());
            }
            Ok(Part::Changes(changes)) => {
                let counted = copy::tally(&mut tally, changes, stream.name(), stream.offset());
                report.keep(at, counted)?;
            }
            Ok(Part::Link(..)) => {}
            Ok(Part::End(_)) => break,
            Err(error) => {
                report.keep(at, Err(error))?;
                break;
            }
        }
        while let Some((at, checked)) = under_way.surplus() {
            report.keep(at, checked)?;
        }
        monitor.advance(0, stream.offset() - at);
    }
    while let Some((at, checked)) = under_way.take() {
        report.keep(at, checked)?;
    }
    Ok(())
}
