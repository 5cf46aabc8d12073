//! An object that is read in place, by ranges. Every request after the first asks for the same bytes
//! as the first saw: an object that is replaced meanwhile is an error, never a mixture.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aeordb::Result;
use aeordb::media::{Lock, Media};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta};
use quick_cache::sync::Cache;

use crate::place::Place;
use crate::store::{Object, system, wait, wait_for};

/// Bytes that are fetched together and kept together.
const PAGE_LEN: u64 = 256 * 1024;
/// Pages that are kept.
const PAGES_MAX: usize = 160;
/// Most bytes of one request for what is read in order.
const AHEAD_MAX: u64 = 4 * 1024 * 1024;
/// How often a line that was cut is taken up again without a byte having come.
const TRIES: u32 = 6;

/// An object, read by ranges.
pub struct Ranges {
    of: Arc<Version>,
    pages: Cache<u64, Bytes>,
    /// What was fetched last, and how much of it was fetched ahead. Whoever fetches holds it.
    last: Mutex<(u64, u64)>,
}

/// The very bytes that an object had when it was opened.
struct Version {
    object: Object,
    meta: ObjectMeta,
}

impl Ranges {
    /// Opens an object; the one request brings its first page.
    pub fn open(place: &Place) -> Result<Ranges> {
        let object = Object::at(place)?;
        let first = GetOptions::default().with_range(Some(GetRange::Bounded(0..PAGE_LEN)));
        let opening = format!("opening {}", object.shown);
        let got = wait_for(&opening, async {
            let got = object.store.get_opts(&object.path, first).await?;
            let meta = got.meta.clone();
            Ok::<_, object_store::Error>((meta, collect(got, PAGE_LEN).await?))
        })?;
        let (meta, bytes) = match got {
            Ok(got) => got,
            Err(error) if is_empty(&error) => empty(&object)?,
            Err(error) => return Err(object.failed("opening", error)),
        };
        let pages = Cache::new(PAGES_MAX);
        if !bytes.is_empty() {
            pages.insert(0, bytes);
        }
        let of = Arc::new(Version { object, meta });
        Ok(Ranges { of, pages, last: Mutex::new((1, 0)) })
    }

    fn page_count(&self) -> u64 {
        self.of.meta.size.div_ceil(PAGE_LEN)
    }

    /// Gets page `first` and those after it that are wanted, in one request; `until` is the end of what
    /// is wanted.
    fn fetch(&self, first: u64, until: u64) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have fetched it meanwhile.
        if self.pages.get(&first).is_some() {
            return Ok(());
        }
        let (end, ahead) = *last;
        // What is read in order is fetched in ever longer parts.
        let ahead = if first == end { (ahead * 2).clamp(1, AHEAD_MAX / PAGE_LEN) } else { 0 };
        let count = self.page_count();
        let mut start = first;
        let mut wanted = until.max(first + 1 + ahead).min(count);
        // The end of a file is its index and its seal, which belong together.
        if wanted == count
            && start > 0
            && self.pages.peek(&(start - 1)).is_none()
            && start + 1 == count
        {
            start -= 1;
        }
        while wanted > first + 1 && self.pages.peek(&(wanted - 1)).is_some() {
            wanted -= 1;
        }
        let range = start * PAGE_LEN..(wanted * PAGE_LEN).min(self.of.meta.size);
        let bytes = wait(self.of.get(range.clone()))??;
        for (number, page) in (start..).zip(0..wanted - start) {
            let from = usize::try_from(page * PAGE_LEN).unwrap_or(usize::MAX).min(bytes.len());
            let page_len = usize::try_from(PAGE_LEN).unwrap_or(usize::MAX);
            let to = from.saturating_add(page_len).min(bytes.len());
            // A page of its own: one that is kept is not to keep its neighbours.
            self.pages.insert(number, Bytes::copy_from_slice(&bytes[from..to]));
        }
        *last = (wanted, ahead);
        Ok(())
    }
}

/// The bytes that come, which are no more than was asked for, whatever a server says.
pub async fn collect(got: GetResult, len_max: u64) -> object_store::Result<Bytes> {
    let mut stream = got.into_stream();
    let mut bytes = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if (bytes.len() + piece.len()) as u64 > len_max {
            let source = format!("asked for {len_max} bytes, more came").into();
            return Err(object_store::Error::Generic { store: "HTTP", source });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// An object without bytes has no range of them, which stores say in words of their own.
fn is_empty(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("416") || text.contains("Range Not Satisfiable")
}

fn empty(object: &Object) -> Result<(ObjectMeta, Bytes)> {
    let head = GetOptions::default().with_head(true);
    let opening = format!("opening {}", object.shown);
    let got = wait_for(&opening, object.store.get_opts(&object.path, head))?;
    Ok((got.map_err(|error| object.failed("opening", error))?.meta, Bytes::new()))
}

impl Version {
    fn options(&self, range: Range<u64>) -> GetOptions {
        // A weak tag matches nothing; then the time must do.
        let tag = self.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let unmodified = tag.is_none().then_some(self.meta.last_modified);
        GetOptions::default()
            .with_range(Some(GetRange::Bounded(range)))
            .with_if_match(tag)
            .with_if_unmodified_since(unmodified)
    }

    async fn open(&self, range: Range<u64>) -> io::Result<GetResult> {
        let options = self.options(range);
        let got = self.object.store.get_opts(&self.object.path, options).await.map_err(system)?;
        // A server that does not know conditions answers all the same.
        if got.meta.size != self.meta.size || got.meta.e_tag != self.meta.e_tag {
            return Err(io::Error::other("it was replaced while it was being read"));
        }
        Ok(got)
    }

    async fn get(&self, range: Range<u64>) -> io::Result<Bytes> {
        let len = range.end - range.start;
        let bytes = collect(self.open(range).await?, len).await.map_err(system)?;
        if bytes.len() as u64 != len {
            let found = bytes.len();
            return Err(io::Error::other(format!("asked for {len} bytes, {found} came")));
        }
        Ok(bytes)
    }
}

impl Media for Ranges {
    fn len(&self) -> io::Result<u64> {
        Ok(self.of.meta.size)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.of.meta.size;
        let end = offset.saturating_add(buffer.len() as u64).min(size);
        let mut at = offset;
        let mut filled = 0;
        while at < end {
            let number = at / PAGE_LEN;
            let Some(page) = self.pages.get(&number) else {
                self.fetch(number, end.div_ceil(PAGE_LEN))?;
                continue;
            };
            let from = usize::try_from(at % PAGE_LEN).unwrap_or(usize::MAX);
            let part = page.get(from..).unwrap_or_default();
            let len = part.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer[filled..filled + len].copy_from_slice(&part[..len]);
            filled += len;
            at += len as u64;
        }
        Ok(filled)
    }

    fn stream(&self) -> Option<Box<dyn Read + Send>> {
        let (of, bytes) = (self.of.clone(), Bytes::new());
        Some(Box::new(Stream { of, at: 0, bytes, body: None, tries: 0 }))
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn release(&self, _: Range<u64>) -> io::Result<bool> {
        Ok(false)
    }

    // Nobody changes an object in place: what it was opened as, it stays or is gone.
    fn try_lock(&self, _: Range<u64>, lock: Lock) -> io::Result<bool> {
        Ok(lock == Lock::Shared)
    }

    fn unlock(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn locked_by_others(&self, _: Range<u64>) -> io::Result<bool> {
        Ok(false)
    }
}

/// The bytes in order, in one request; a line that is cut is taken up where it was.
struct Stream {
    of: Arc<Version>,
    at: u64,
    bytes: Bytes,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    tries: u32,
}

impl Stream {
    fn next(&mut self) -> io::Result<()> {
        let size = self.of.meta.size;
        loop {
            let body = match &mut self.body {
                Some(body) => body,
                None => {
                    let opened = wait(self.of.open(self.at..size))??;
                    self.body.insert(opened.into_stream())
                }
            };
            let why = match wait(body.next())? {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.tries = 0;
                    self.bytes = bytes;
                    return Ok(());
                }
                Some(Err(error)) => system(error),
                None => io::Error::other(format!("the line was cut at byte {}", self.at)),
            };
            self.body = None;
            self.tries += 1;
            if self.tries > TRIES {
                return Err(why);
            }
            let pause = Duration::from_millis(100 << self.tries);
            wait(async { tokio::time::sleep(pause).await })?;
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.of.meta.size {
            return Ok(0);
        }
        if self.bytes.is_empty() {
            self.next()?;
        }
        let len = self.bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.bytes.split_to(len));
        self.at += len as u64;
        Ok(len)
    }
}
