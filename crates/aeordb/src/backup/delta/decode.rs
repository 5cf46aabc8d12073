//! Decodes a delta: reads what it refers to, and gives every entry with its name.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::delta;
use crate::hash::{Hash, Kind};
use crate::limits::DELTA_PREFIX_LEN_MAX;
use crate::log::stream::Delta;

/// What came out of a delta.
pub enum Decoded {
    /// Every entry, under the name that its bytes have.
    Entries(Vec<(Kind, Hash, Bytes)>),
    /// Entries that it refers to are not here: at least so many.
    Missing(u64),
}

/// Reads what a delta refers to, within the limits.
struct Prefixes<'a> {
    read: &'a dyn Fn(Kind, &Hash) -> Result<Option<Bytes>>,
    at: u64,
    len: usize,
    missing: u64,
}

impl Prefixes<'_> {
    fn append(&mut self, prefix: &mut Vec<u8>, kind: Kind, references: &[Hash]) -> Result<()> {
        for reference in references {
            let Some(bytes) = (self.read)(kind, reference)? else {
                self.missing += 1;
                continue;
            };
            self.len += bytes.len();
            if self.len > DELTA_PREFIX_LEN_MAX {
                return Err(Error::Limit {
                    what: format!("what the delta at offset {} refers to", self.at),
                    limit: DELTA_PREFIX_LEN_MAX as u64,
                    found: self.len as u64,
                });
            }
            prefix.extend_from_slice(&bytes);
        }
        Ok(())
    }
}

/// Decodes a delta whose references `read` finds.
pub fn decode(
    delta: &Delta,
    read: &dyn Fn(Kind, &Hash) -> Result<Option<Bytes>>,
) -> Result<Decoded> {
    let at = delta.at;
    let mut prefixes = Prefixes { read, at, len: 0, missing: 0 };
    let mut context = Vec::new();
    prefixes.append(&mut context, Kind::Directory, &delta.context)?;
    if prefixes.missing > 0 {
        return Ok(Decoded::Missing(prefixes.missing));
    }
    let mut names = Vec::new();
    let mut entries = Vec::new();
    for (section, payload) in delta.sections(&context)? {
        let mut prefix = match delta::refers_to_names(section.kind) {
            true => names.clone(),
            false => Vec::new(),
        };
        prefixes.append(&mut prefix, section.kind, &section.references)?;
        if prefixes.missing > 0 {
            continue;
        }
        let raw = Bytes::from(delta::decode(at, &section, &payload, &prefix)?);
        let mut start = 0;
        for len in &section.lens {
            let bytes = raw.slice(start..start + *len as usize);
            start += *len as usize;
            let name = section.kind.hash(&bytes);
            names.extend_from_slice(name.as_bytes());
            entries.push((section.kind, name, bytes));
        }
    }
    match prefixes.missing {
        0 => Ok(Decoded::Entries(entries)),
        missing => Ok(Decoded::Missing(missing)),
    }
}
