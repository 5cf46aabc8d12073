//! A new object: written from front to back in constant memory, there complete or not at all, and
//! never in the place of another.
//!
//! Small ones are one request that creates. On S3 larger ones are uploaded in parts, whose completion is
//! told not to replace (`store` adds the header). The others know no such condition: there the parts make
//! an object of another name, which a conditional copy brings to its own.
//!
//! An answer may be lost when its request was not. So every upload has a number of its own, which stays
//! with the object; whether it is there is decided by that, and by the last bytes.

use std::io::{self, Write};
use std::time::Duration;

use aeordb::error::Context;
use aeordb::internals::random;
use aeordb::{Error, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, GetOptions, GetRange, MultipartUpload,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use tokio::task::JoinHandle;

use crate::place::{Keeper, Place};
use crate::read::collect;
use crate::store::{Object, runtime, system, wait, wait_at_most, wait_for};

/// The smallest part, and what goes in one request.
const PART_MIN: u64 = 8 * 1024 * 1024;
/// The largest part that S3 takes.
const PART_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Parts that what is expected is divided into; 10,000 are allowed.
const PARTS: u64 = 9_000;
/// Parts that grow are one of so many of what was written before.
const GROWTH: u64 = 1_200;
/// Bytes that are on their way beside the part that is being filled.
const UNDER_WAY_MAX: u64 = 32 * 1024 * 1024;
/// The end of the file that is read back: more than the frame that seals it.
const END_LEN: usize = 512;
/// How long it may take to say that an upload came to nothing.
const GIVING_UP_MAX: Duration = Duration::from_secs(8);
/// What an upload is known by.
const NUMBER: &str = "aeordb-upload";

/// An object that is being written.
pub struct NewObject {
    object: Object,
    keeper: Keeper,
    /// The number of this upload.
    number: String,
    part: Vec<u8>,
    /// Bytes of the next part.
    part_len: u64,
    is_expected: bool,
    written: u64,
    parts: u64,
    /// The last bytes.
    end: Vec<u8>,
    upload: Option<Upload>,
}

struct Upload {
    target: Path,
    inner: Box<dyn MultipartUpload>,
    under_way: FuturesUnordered<JoinHandle<object_store::Result<()>>>,
}

impl NewObject {
    /// Begins an object of about `expected` bytes at most, if that is known. [`Error::Exists`] if there
    /// is one already, so that nobody works for hours in vain; what decides is [`NewObject::publish`].
    pub fn create(place: Place, expected: Option<u64>) -> Result<NewObject> {
        if place.keeper == Keeper::Web {
            return Err(Error::invalid(format!(
                "{}: a web server is read from; write to a file, s3://, gs:// or az://",
                place.shown
            )));
        }
        let object = Object::at(&place)?;
        let looking = format!("looking at {}", object.shown);
        match wait_for(&looking, object.store.head(&object.path))? {
            Ok(_) => return Err(Error::Exists(object.shown)),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(object.failed("looking at", error)),
        }
        Ok(NewObject {
            object,
            keeper: place.keeper,
            number: number()?,
            part: Vec::new(),
            part_len: first_part_len(expected),
            is_expected: expected.is_some(),
            written: 0,
            parts: 0,
            end: Vec::new(),
            upload: None,
        })
    }

    fn attributes(&self) -> Attributes {
        let number = (Attribute::Metadata(NUMBER.into()), self.number.clone());
        let kind = (Attribute::ContentType, "application/octet-stream".to_owned());
        Attributes::from_iter([number, kind])
    }

    /// Sends the part that is full. Waits while too much is on its way.
    fn send(&mut self) -> io::Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let target = match self.keeper {
                    Keeper::S3 | Keeper::Web => self.object.path.clone(),
                    Keeper::Google | Keeper::Azure => {
                        Path::from(format!("{}.{}.part", self.object.path, self.number))
                    }
                };
                let options =
                    PutMultipartOptions { attributes: self.attributes(), ..Default::default() };
                let begun = self.object.store.put_multipart_opts(&target, options);
                let inner = wait(begun)?.map_err(system)?;
                let under_way = FuturesUnordered::new();
                self.upload.insert(Upload { target, inner, under_way })
            }
        };
        let most = usize::try_from(UNDER_WAY_MAX / self.part_len).unwrap_or(1).max(1);
        while upload.under_way.len() >= most {
            upload.one_done()?;
        }
        let part = Bytes::from(std::mem::take(&mut self.part));
        let sending = upload.inner.put_part(PutPayload::from_bytes(part));
        upload.under_way.push(runtime()?.spawn(sending));
        self.parts += 1;
        self.part_len = next_part_len(self.part_len, self.parts, self.written, self.is_expected);
        Ok(())
    }

    /// Sends what is left and gives the object its name, unless another has it. Then it is read back:
    /// how long it is, and its end.
    pub fn publish(&mut self) -> Result<()> {
        let what = format!("writing {}", self.object.shown);
        let sent = match self.upload.is_some() {
            false => self.send_at_once(),
            true => self.complete(),
        };
        let sent = sent.context(|| what.clone())?;
        // Whatever was answered: what is there decides.
        match (self.is_there()?, sent) {
            (Some(true), _) => {
                self.upload = None;
                Ok(())
            }
            (Some(false), _) => Err(Error::Exists(self.object.shown.clone())),
            // That nothing is found means the bucket here.
            (None, Err(error)) => Err(Error::Io { what, source: system(error) }),
            (None, Ok(())) => {
                let source = io::Error::other("it was taken, and then it was not there");
                Err(Error::Io { what, source })
            }
        }
    }

    fn send_at_once(&mut self) -> io::Result<object_store::Result<()>> {
        let payload = PutPayload::from_bytes(Bytes::from(std::mem::take(&mut self.part)));
        let attributes = self.attributes();
        let options = PutOptions { mode: PutMode::Create, attributes, ..Default::default() };
        let Object { store, path, .. } = &self.object;
        Ok(wait(store.put_opts(path, payload, options))?.map(drop))
    }

    fn complete(&mut self) -> io::Result<object_store::Result<()>> {
        if !self.part.is_empty() {
            self.send()?;
        }
        let Some(upload) = &mut self.upload else { return Ok(Ok(())) };
        while !upload.under_way.is_empty() {
            upload.one_done()?;
        }
        let completed = wait(upload.inner.complete())?.map(drop);
        let Object { store, path, .. } = &self.object;
        if upload.target == *path {
            return Ok(completed);
        }
        // An object of another name, which goes whatever comes of it.
        let options = CopyOptions { mode: CopyMode::Create, ..CopyOptions::new() };
        let copied = match completed {
            Ok(()) => wait(store.copy_opts(&upload.target, path, options))?,
            failed => failed,
        };
        let _ = wait(store.delete(&upload.target))?;
        Ok(copied)
    }

    /// Whether what is at the name now is what was written here; `None` if nothing is.
    fn is_there(&self) -> Result<Option<bool>> {
        let Object { store, path, shown } = &self.object;
        let end = self.written.saturating_sub(self.end.len() as u64)..self.written;
        let options = GetOptions::default().with_range(Some(GetRange::Bounded(end.clone())));
        let looked = wait_for(&format!("reading {shown} back"), async {
            let got = store.get_opts(path, options).await?;
            let key = Attribute::Metadata(NUMBER.into());
            let number = got.attributes.get(&key).map(|value| value.to_string());
            let size = got.meta.size;
            Ok::<_, object_store::Error>((number, size, collect(got, end.end - end.start).await?))
        })?;
        match looked {
            Ok((number, size, end)) => {
                // Where numbers are not kept, the end of the file tells.
                let is_ours = number.is_none_or(|number| number == self.number);
                Ok(Some(is_ours && size == self.written && end == self.end))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            // Another object may be too short to have such an end.
            Err(error) => match wait_for(shown, store.head(path))? {
                Ok(found) if found.size != self.written => Ok(Some(false)),
                _ => Err(self.object.failed("reading back", error)),
            },
        }
    }
}

impl Upload {
    /// Waits until a part has arrived.
    fn one_done(&mut self) -> io::Result<()> {
        match wait(self.under_way.next())? {
            Some(Ok(sent)) => sent.map_err(system),
            Some(Err(error)) => Err(io::Error::other(error.to_string())),
            None => Ok(()),
        }
    }
}

impl Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part_len = usize::try_from(self.part_len).unwrap_or(usize::MAX);
        // A full part goes only when more comes: what fits into one is one request.
        if self.part.len() >= part_len {
            self.send()?;
        }
        let part_len = usize::try_from(self.part_len).unwrap_or(usize::MAX);
        let len = bytes.len().min(part_len - self.part.len());
        let bytes = bytes.get(..len).unwrap_or_default();
        self.part.extend_from_slice(bytes);
        self.written += len as u64;
        self.end.extend_from_slice(bytes.get(len.saturating_sub(END_LEN)..).unwrap_or_default());
        let surplus = self.end.len().saturating_sub(END_LEN);
        self.end.drain(..surplus);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewObject {
    /// Parts of an upload that came to nothing are kept, and billed, until somebody says so.
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        wait_at_most(GIVING_UP_MAX, async {
            upload.under_way.iter().for_each(JoinHandle::abort);
            while upload.under_way.next().await.is_some() {}
            upload.inner.abort().await
        });
    }
}

/// Equal parts if it is known how many bytes come: some stores take no others.
fn first_part_len(expected: Option<u64>) -> u64 {
    // What is stored is hardly ever larger than what it was made of, but for tables and index.
    let expected = expected.unwrap_or_default();
    let part = (expected + expected / 8).div_ceil(PARTS).next_multiple_of(1024 * 1024);
    part.clamp(PART_MIN, PART_MAX)
}

/// Parts are equal for as long as they were meant to be. Whatever comes beyond that goes in parts that
/// grow with the whole, so that 10,000 are enough for all there is.
fn next_part_len(part_len: u64, parts: u64, written: u64, is_expected: bool) -> u64 {
    // The fewer parts are left, the faster they grow.
    let (equal, share) = if is_expected { (PARTS, GROWTH / 5) } else { (GROWTH, GROWTH) };
    if parts < equal {
        return part_len;
    }
    (written / share).next_multiple_of(1024 * 1024).clamp(part_len, PART_MAX)
}

/// A number that no other upload has.
fn number() -> Result<String> {
    Ok(format!("{:032x}", u128::from_le_bytes(random::bytes()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many parts so many bytes are, and the largest of them.
    fn cut(total: u64, expected: Option<u64>) -> (u64, u64, u64) {
        let (mut len, mut parts, mut written) = (first_part_len(expected), 0, 0);
        let first = len;
        while written < total {
            written += len;
            parts += 1;
            len = next_part_len(len, parts, written, expected.is_some());
        }
        (parts, first, len)
    }

    #[test]
    fn ten_thousand_parts_are_never_the_limit() {
        let tera = 1_u64 << 40;
        for total in [1 << 20, 1 << 33, tera, 5 * tera] {
            let (parts, first, last) = cut(total, Some(total));
            assert!(parts <= 10_000 && first == last, "{total}: {parts} of {first} to {last}");
            assert!(cut(total, None).0 <= 10_000, "{total} unknown");
            // What is expected may be wrong by far.
            assert!(cut(total, Some(total / 3)).0 <= 10_000, "{total} wrong");
        }
        assert!(cut(tera, Some(tera)).1 <= 144 * 1024 * 1024);
    }
}
