//! The code over one set. It goes over columns of the pieces, as many bytes of each at a time as keep the
//! memory small however long a piece is.

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::read_piece;
use crate::error::{Context, Error, Result};
use crate::format::parity::ParityHead;
use crate::media::Media;
use crate::monitor::Monitor;
use crate::store::Bitmap;

/// Bytes of a column: with as many pieces as a set has, 64 MiB in all.
const COLUMN: usize = 4096;

/// The columns of a piece: where they begin and end.
fn columns(head: &ParityHead) -> impl Iterator<Item = (u64, usize)> {
    let piece = head.piece();
    let len = move |at| size(piece - at).min(COLUMN);
    (0..piece).step_by(COLUMN).map(move |at| (at, len(at)))
}

/// What the code refuses cannot be, as the head was checked.
fn refused(error: reed_solomon_simd::Error) -> Error {
    Error::invalid(format!("the code of Reed and Solomon: {error}"))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Writes the parity of a set.
pub fn encode(
    media: &dyn Media,
    name: &str,
    head: &ParityHead,
    set: u64,
    out: &dyn Media,
    monitor: &Monitor,
) -> Result<()> {
    let (pieces, parity) = (head.pieces_of(set), head.parity_of(set));
    let mut encoder: Option<ReedSolomonEncoder> = None;
    for (column, len) in columns(head) {
        let encoder = match &mut encoder {
            Some(encoder) => {
                encoder.reset(size(pieces), size(parity), len).map_err(refused)?;
                encoder
            }
            none => {
                let new = ReedSolomonEncoder::new(size(pieces), size(parity), len);
                none.insert(new.map_err(refused)?)
            }
        };
        let mut bytes = vec![0; len];
        for index in 0..pieces {
            monitor.check()?;
            let number = index * head.sets() + set;
            let read = read_piece(media, head, number, column, &mut bytes);
            monitor.advance(0, read.context(|| format!("reading {name}"))? as u64);
            encoder.add_original_shard(&bytes).map_err(refused)?;
        }
        let encoded = encoder.encode().map_err(refused)?;
        for (number, bytes) in (head.first_parity_of(set)..).zip(encoded.recovery_iter()) {
            let at = head.parity_at(number) + column;
            out.write_at(bytes, at).context(|| format!("writing the parity of {name}"))?;
        }
    }
    Ok(())
}

/// A set, and what is known of its pieces.
pub struct Set<'a> {
    pub head: &'a ParityHead,
    pub number: u64,
    /// Pieces that are bad, by their numbers in the file.
    pub bad: &'a Bitmap,
    /// Pieces of parity that are good.
    pub good_parity: &'a Bitmap,
}

impl Set<'_> {
    fn piece(&self, index: u64) -> u64 {
        index * self.head.sets() + self.number
    }
}

/// Computes the bad pieces of a set again and writes them into `file`. Returns how many: none if more are
/// bad than there is good parity.
pub fn decode(
    set: &Set<'_>,
    parity: &dyn Media,
    file: &dyn Media,
    monitor: &Monitor,
) -> Result<u64> {
    let head = set.head;
    let pieces = head.pieces_of(set.number);
    let bad: Vec<u64> = (0..pieces).filter(|index| set.bad.contains(set.piece(*index))).collect();
    let first = head.first_parity_of(set.number);
    let numbers = 0..head.parity_of(set.number);
    let good = numbers.filter(|number| set.good_parity.contains(first + number));
    let used: Vec<u64> = good.take(bad.len()).collect();
    if bad.is_empty() || used.len() < bad.len() {
        return Ok(0);
    }
    let parity_of = size(head.parity_of(set.number));
    let what = || "computing what was there".to_owned();
    for (column, len) in columns(head) {
        let decoder = ReedSolomonDecoder::new(size(pieces), parity_of, len);
        let mut decoder = decoder.map_err(refused)?;
        let mut bytes = vec![0; len];
        for index in (0..pieces).filter(|index| !set.bad.contains(set.piece(*index))) {
            monitor.check()?;
            read_piece(file, head, set.piece(index), column, &mut bytes).context(what)?;
            decoder.add_original_shard(size(index), &bytes).map_err(refused)?;
        }
        for number in &used {
            parity
                .read_exact_at(&mut bytes, head.parity_at(first + number) + column)
                .context(what)?;
            decoder.add_recovery_shard(size(*number), &bytes).map_err(refused)?;
        }
        let decoded = decoder.decode().map_err(refused)?;
        for (index, bytes) in decoded.restored_original_iter() {
            let at = set.piece(index as u64) * head.piece() + column;
            let left = size(head.len.get().saturating_sub(at)).min(bytes.len());
            let bytes = bytes.get(..left).unwrap_or_default();
            file.write_at(bytes, head.start.get() + at).context(what)?;
        }
    }
    Ok(bad.len() as u64)
}
