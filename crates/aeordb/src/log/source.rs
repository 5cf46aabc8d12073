//! A file as a source of frames: reads, checks and decodes them, and keeps what was decoded last.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::error::{Context, Error, Result};
use crate::format::block::{self, BlockHead, Class};
use crate::format::checkpoint::RunRef;
use crate::format::cipher::{self, Cipher, TAG_LEN};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, run};
use crate::hash::{Hash, Kind};
use crate::media::Media;
use crate::store::{Block, Place, RawBlock};

/// Decoded blocks of chunks that are kept, in bytes.
const CHUNK_CACHE_LEN: u64 = 16 * 1024 * 1024;
/// Decoded blocks of tree nodes that are kept, in bytes.
const TREE_CACHE_LEN: u64 = 16 * 1024 * 1024;
/// Tables of blocks that are kept: walks ask for the lengths of neighbours.
const TABLES_MAX: usize = 16;
/// Index pages that are kept, in bytes.
const PAGE_CACHE_LEN: usize = 8 * 1024 * 1024;

#[derive(Clone)]
struct BlockWeight;

impl Weighter<u64, Arc<Block>> for BlockWeight {
    fn weight(&self, _: &u64, block: &Arc<Block>) -> u64 {
        (block.raw_len() + block.head.entries.len() * 48) as u64
    }
}

/// A cache of few large blocks. It has one shard: a share of many would hold no block at all.
fn block_cache(len: u64) -> BlockCache {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(32)
        .weight_capacity(len)
        .shards(1)
        .hot_allocation(0.5)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            BlockWeight,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        Err(_) => Cache::with_weighter(32, len, BlockWeight),
    }
}

type BlockCache = Cache<u64, Arc<Block>, BlockWeight>;

/// Reads the frames of one file.
pub struct Source {
    media: Arc<dyn Media>,
    name: String,
    /// Opens the frames of an encrypted file.
    cipher: Option<Arc<Cipher>>,
    blocks: [BlockCache; 2],
    tables: Cache<u64, Arc<BlockHead>>,
    pages: Cache<(u64, u64), Bytes>,
    loners: Loners,
    syncs: Mutex<SyncStats>,
}

/// Whether chunks that are wanted are the only ones wanted of their blocks, as far as was seen.
#[derive(Default)]
struct Loners {
    /// Chunks that were decompressed alone.
    alone: AtomicU64,
    /// Of those, how often another chunk of the block was wanted then.
    again: AtomicU64,
}

impl Loners {
    /// True while at most one of four was decompressed in vain, but for the first.
    fn expect_one(&self) -> bool {
        self.again.load(Relaxed) * 4 < self.alone.load(Relaxed) + 4
    }
}

/// The syncs of a database file so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SyncStats {
    /// How many.
    pub syncs: u64,
    /// The time that they took.
    pub busy: Duration,
}

impl Source {
    /// The file `media`, called `name` in errors.
    pub fn new(media: Arc<dyn Media>, name: impl Into<String>) -> Self {
        Source {
            media,
            name: name.into(),
            cipher: None,
            blocks: [block_cache(CHUNK_CACHE_LEN), block_cache(TREE_CACHE_LEN)],
            tables: Cache::new(TABLES_MAX),
            pages: Cache::new(PAGE_CACHE_LEN / run::PAGE_LEN),
            loners: Loners::default(),
            syncs: Mutex::default(),
        }
    }

    /// The same file, whose frames this opens.
    pub fn with_cipher(self, cipher: Option<Arc<Cipher>>) -> Self {
        Source { cipher, ..self }
    }

    /// The file's bytes.
    pub fn media(&self) -> &Arc<dyn Media> {
        &self.media
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<()> {
        let started = Instant::now();
        let synced = self.media.sync().context(|| format!("syncing {}", self.name));
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        syncs.syncs += 1;
        syncs.busy += started.elapsed();
        synced
    }

    /// The syncs so far.
    pub fn sync_stats(&self) -> SyncStats {
        *self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts the file's name into an error of a decoder.
    pub fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.in_file(&self.name))
    }

    /// An error about the bytes at `offset`.
    pub fn damaged(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::damaged(self.name.clone(), offset, detail)
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> Result<u64> {
        self.media.len().context(|| format!("asking for the length of {}", self.name))
    }

    /// Reads exactly `len` bytes at `offset`. The caller has checked `len` against a limit.
    pub fn bytes(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let read = self
            .media
            .read_at(&mut buffer, offset)
            .context(|| format!("reading {} at offset {offset}", self.name))?;
        if read < len {
            let end = offset + read as u64;
            let detail = format!("expected {len} bytes, the file ends at {end}");
            return Err(self.damaged(offset, detail));
        }
        Ok(buffer)
    }

    /// The header of the frame at `offset`; `None` if there is none.
    pub fn header(&self, offset: u64) -> Result<Option<FrameHeader>> {
        let mut buffer = [0; FRAME_HEADER_LEN];
        let read = self
            .media
            .read_at(&mut buffer, offset)
            .context(|| format!("reading {} at offset {offset}", self.name))?;
        Ok(FrameHeader::parse(&buffer[..read]))
    }

    /// The block at `offset` as it is stored, checked by its hash.
    pub fn raw_block(&self, offset: u64, tag: Option<u64>) -> Result<RawBlock> {
        let header = self.block_header(offset, tag)?;
        // Bounded by the limits that the header was held against.
        let len = usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        let frame = self.bytes(offset, len)?;
        self.named(match &self.cipher {
            None => RawBlock::parse(offset, &header, Bytes::from(frame)),
            Some(cipher) => cipher
                .open(offset, &header, frame)
                .and_then(|(header, frame)| RawBlock::opened(offset, header, frame)),
        })
    }

    /// Length of the frame of the block at `offset`.
    pub fn block_len(&self, offset: u64) -> Result<u64> {
        Ok(self.block_header(offset, None)?.frame_len())
    }

    /// The table of the block at `offset`, read without its payload.
    pub fn table(&self, offset: u64, header: &FrameHeader) -> Result<BlockHead> {
        let plain = self.plain_header(offset, header)?;
        let len = self.named(block::check_header(offset, &plain))?;
        let at = offset + FRAME_HEADER_LEN as u64;
        let Some(cipher) = &self.cipher else {
            let table = self.bytes(at, len)?;
            return self.named(block::parse_head(offset, header, &table));
        };
        let mut table = self.bytes(at, len + TAG_LEN)?;
        self.named(cipher.open_table(offset, header, &mut table))?;
        self.named(block::parse_proved(offset, &plain, &table))
    }

    /// What the header of the frame at `offset` says of what is in it.
    fn plain_header(&self, offset: u64, header: &FrameHeader) -> Result<FrameHeader> {
        match &self.cipher {
            None => Ok(*header),
            Some(_) => self.named(cipher::plain_header(offset, header)),
        }
    }

    /// The body of the small frame at `offset` and its header, as they are in a file that is not
    /// encrypted.
    pub fn opened(
        &self,
        offset: u64,
        stored: FrameHeader,
        mut body: Vec<u8>,
    ) -> Result<(FrameHeader, Vec<u8>)> {
        let Some(cipher) = &self.cipher else { return Ok((stored, body)) };
        let len = self.named(cipher.open_body(offset, &stored, &mut body))?;
        body.truncate(len);
        let plain = self.plain_header(offset, &stored)?;
        Ok((plain.sealed([body.as_slice()]), body))
    }

    fn block_header(&self, offset: u64, tag: Option<u64>) -> Result<FrameHeader> {
        let header = self
            .header(offset)?
            .ok_or_else(|| self.damaged(offset, "expected a block, found no frame"))?;
        self.named(block::check_header(offset, &self.plain_header(offset, &header)?))?;
        if tag.is_some_and(|tag| tag != header.tag()) {
            return Err(self.damaged(offset, "another block than the index says"));
        }
        Ok(header)
    }

    /// The block at `place`, decoded, with the entry there at least. Its entries still have to be
    /// verified by their names.
    fn block(&self, place: &Place, kind: Kind) -> Result<Arc<Block>> {
        let class = Class::of(kind);
        let cache = &self.blocks[usize::from(class == Class::Tree)];
        // A chunk may be all that is wanted of its block; nodes are wanted in crowds.
        let alone = class == Class::Chunks && self.loners.expect_one();
        let block = cache.get_or_insert_with(&place.block, || {
            self.loners.alone.fetch_add(alone.into(), Relaxed);
            self.decode_block(place, alone).map(Arc::new)
        })?;
        if block.entry(usize::from(place.ordinal)).is_some() || block.has_several() {
            return Ok(block);
        }
        // Another entry of the same block: there will be more.
        self.loners.again.fetch_add(1, Relaxed);
        let whole = Arc::new(self.decode_block(place, false)?);
        cache.insert(place.block, whole.clone());
        Ok(whole)
    }

    /// Decodes a block, or the entry at `place` alone.
    fn decode_block(&self, place: &Place, alone: bool) -> Result<Block> {
        let offset = place.block;
        let header = self.block_header(offset, Some(place.tag))?;
        let len = usize::try_from(header.body_len.get()).unwrap_or(usize::MAX);
        let mut body = self.bytes(offset + FRAME_HEADER_LEN as u64, len)?;
        let head = match &self.cipher {
            // What is in a table is believed unknown rather than broken if the whole block has its hash.
            None => block::parse_head(offset, &header, &body)
                .or_else(|_| block::parse(offset, &header, &body)),
            Some(cipher) => cipher.open_body(offset, &header, &mut body).and_then(|len| {
                body.truncate(len);
                block::parse_proved(offset, &cipher::plain_header(offset, &header)?, &body)
            }),
        };
        let head = self.named(head)?;
        let table_len = head.entries.len() * block::TABLE_ENTRY_LEN;
        let payload = body.get(table_len..).unwrap_or_default();
        self.named(match alone {
            true => Block::decode_one(offset, head, payload, usize::from(place.ordinal)),
            false => Block::decode(offset, head, payload),
        })
    }

    /// The entry at `place`, verified to be of `kind` and to have this name.
    pub fn entry(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<Bytes> {
        let block = self.block(place, kind)?;
        let ordinal = usize::from(place.ordinal);
        let found = block.head.entries.get(ordinal).zip(block.entry(ordinal));
        match found {
            // What it is has not proved itself before its bytes have.
            Some((entry, bytes)) if entry.kind.hash(&bytes) == *hash => match entry.kind == kind {
                true => Ok(bytes),
                false => Err(Error::not_found(format!("{} {hash}", kind.name()))),
            },
            _ => {
                let name = kind.name();
                Err(self.damaged(place.block, format!("{name} {hash} does not have its hash")))
            }
        }
    }

    /// The length of the entry at `place`, as the table of its block says: it must be of `kind` and
    /// have this name.
    pub fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        let table = self.tables.get_or_insert_with(&place.block, || {
            let header = self.block_header(place.block, Some(place.tag))?;
            self.table(place.block, &header).map(Arc::new)
        })?;
        match table.entries.get(usize::from(place.ordinal)) {
            Some(entry) if entry.hash == *hash && entry.kind == kind => Ok(entry.len.into()),
            Some(entry) if entry.hash == *hash => {
                Err(Error::not_found(format!("{} {hash}", kind.name())))
            }
            _ => {
                let detail = format!("{} {hash} is not where the index says", kind.name());
                Err(self.damaged(place.block, detail))
            }
        }
    }

    /// Page `page` of a run, checked, from the pages that are kept.
    pub fn page(&self, run: &RunRef, page: u64) -> Result<Bytes> {
        let key = (run.offset.get(), page);
        self.pages.get_or_insert_with(&key, || self.read_page(run, page))
    }

    /// Page `page` of a run, checked.
    pub fn read_page(&self, run: &RunRef, page: u64) -> Result<Bytes> {
        let (offset, len) = run::page_at(run.offset.get(), run.records.get(), page);
        let mut bytes = self.bytes(offset, len)?;
        let (at, records) = (run.offset.get(), run.records.get());
        self.named(match &self.cipher {
            None => run::parse_page(at, page, &bytes).map(drop),
            Some(cipher) => cipher.open_page(at, records, page, &mut bytes),
        })?;
        Ok(Bytes::from(bytes))
    }

    /// Forgets what was decoded: bytes that it came from may have been released.
    pub fn forget(&self) {
        self.blocks.iter().for_each(Cache::clear);
        self.tables.clear();
        self.pages.clear();
    }
}
