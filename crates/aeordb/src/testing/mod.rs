//! The bodies of the fuzz targets: whatever the bytes, nothing panics, hangs or takes more memory
//! than checked lengths allow, and what decodes is canonical. A fuzzer drives them, and a test runs
//! them over a small corpus and random mutations of it.

mod files;
mod mailbox;
mod mutate;
mod reseal;

use bytes::Bytes;
use zerocopy::{FromBytes, IntoBytes};

pub use mailbox::Mailbox;
pub use mutate::Mutations;
pub use reseal::reseal;

use crate::db::{HistoryEntry, Snapshot};
use crate::encryption::FileKey;
use crate::format::checkpoint::Checkpoint;
use crate::format::cipher::{self, Cipher, Proof};
use crate::format::commit::Commit;
use crate::format::link::Link;
use crate::format::seal::Closing;
use crate::format::superblock::{FileKind, Superblock};
use crate::format::{FRAME_HEADER_LEN, FRAME_MAGIC, FrameHeader, block, change_list, delta, run};
use crate::hash::Kind;
use crate::object::list::ListNode;
use crate::object::tree::{Directories, Node, SystemMap};
use crate::object::{AttributeSet, Item, Name, Path, Version};

/// A fuzz target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 22] = [
    ("superblock", superblock),
    ("block", block_frame),
    ("run_page", run_page),
    ("checkpoint", checkpoint),
    ("commit", commit),
    ("closing", closing),
    ("link", link),
    ("keys", keys),
    ("sealed", sealed),
    ("delta", delta_frame),
    ("changes", changes),
    ("directory_node", directory_node),
    ("system_node", system_node),
    ("list_node", list_node),
    ("item", item),
    ("version", version),
    ("attributes", attributes),
    ("journal", journal),
    ("path", path),
    ("file", files::file),
    ("import", files::import),
    ("salvage", files::salvage),
];

/// Runs the target of this name.
pub fn run_target(name: &str, data: &[u8]) {
    if let Some((_, body)) = TARGETS.iter().find(|(known, _)| *known == name) {
        body(data);
    }
}

/// A frame whose check and hash are right, so that what lies behind them is reached.
fn frame(data: &[u8]) -> Option<(FrameHeader, &[u8])> {
    let (mut header, body) = FrameHeader::read_from_prefix(data).ok()?;
    header.magic = FRAME_MAGIC;
    header.body_len = (body.len() as u64).into();
    Some((header.sealed([body]), body))
}

/// The file and the place that a body says it was written for.
fn own_place(body: &[u8]) -> Option<([u8; 16], u64)> {
    let (id, rest) = body.split_first_chunk::<16>()?;
    let (offset, _) = rest.split_first_chunk::<8>()?;
    Some((*id, u64::from_le_bytes(*offset)))
}

fn superblock(data: &[u8]) {
    let _ = Superblock::parse("fuzz", 0, data);
    if let Ok((superblock, _)) = Superblock::read_from_prefix(data)
        && let Ok(parsed) = Superblock::parse("fuzz", 0, superblock.sealed().as_bytes())
    {
        assert_eq!(parsed, superblock.sealed());
    }
}

fn block_frame(data: &[u8]) {
    let _ = FrameHeader::parse(data);
    let Some((header, body)) = frame(data) else { return };
    let Ok(head) = block::parse(0, &header, body) else { return };
    let table_len = head.entries.len() * block::TABLE_ENTRY_LEN;
    if let Ok(raw) = block::decode_payload(0, &head, body.get(table_len..).unwrap_or_default()) {
        assert_eq!(raw.len(), head.raw_len);
    }
}

fn run_page(data: &[u8]) {
    let _ = run::parse_page(0, 0, data);
    let records = data.get(..data.len() / run::RECORD_LEN * run::RECORD_LEN).unwrap_or_default();
    let page = [records, &run::page_check(0, 0, records)].concat();
    if let Ok(parsed) = run::parse_page(0, 0, &page) {
        let mut again = Vec::new();
        run::encode_page(0, 0, parsed, &mut again);
        assert_eq!(again, page);
    }
}

fn checkpoint(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let Some((file_id, offset)) = own_place(body) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(file_id, offset, &header, body) {
        let encoded = checkpoint.encode(file_id, offset);
        assert_eq!(encoded.get(FRAME_HEADER_LEN..), Some(body));
    }
}

fn commit(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let Some((file_id, offset)) = own_place(body) else { return };
    if let Ok(commit) = Commit::parse(file_id, offset, &header, body) {
        assert_eq!(commit.encode().0.get(FRAME_HEADER_LEN..), Some(body));
    }
}

fn closing(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let offset = body.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let _ = Closing::parse(offset, &header, body);
}

fn link(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let _ = Link::parse(0, &header, body);
}

fn keys(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    if cipher::check_keys(0, Some(&header)).is_ok() {
        assert!(
            body.len() <= cipher::KEYS_LEN_MAX && cipher::check_keys_body(0, &header, body).is_ok()
        );
    }
    let _ = Proof::parse(0, &header, body);
}

/// What was sealed opens to what it was; what stands there as it is opens to nothing.
fn sealed(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let head = Superblock::new(FileKind::Export, [0; 16]);
    let Ok(cipher) = Cipher::new(&FileKey::new([1; 32]), &head) else { return };
    let whole = [header.as_bytes(), body].concat();
    assert!(cipher.open(0, &header, whole.clone()).is_err());
    let _ = cipher.seal_run(0, &mut whole.clone());
    let Ok(sealed) = cipher.seal(7, &whole) else { return };
    let Some(stored) = FrameHeader::parse(&sealed) else { return };
    let opened = cipher.open(7, &stored, sealed.clone());
    let opened = opened.map(|(header, mut frame)| (cipher::complete(header, &mut frame), frame));
    assert!(opened.is_ok_and(|opened| opened == (header, whole)));
    assert!(cipher.open(8, &stored, sealed).is_err());
}

fn delta_frame(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let Ok(parts) = delta::parse(0, &header, body) else { return };
    let Ok(sections) = delta::sections(0, &header, &parts, &[]) else { return };
    let mut payloads = parts.payloads;
    for section in sections {
        let Some((payload, rest)) = payloads.split_at_checked(section.payload_len) else { return };
        payloads = rest;
        if let Ok(raw) = delta::decode(0, &section, payload, &[]) {
            assert_eq!(raw.len(), section.raw_len());
        }
    }
}

fn changes(data: &[u8]) {
    let Some((header, body)) = frame(data) else { return };
    let Ok(list) = change_list::parse(0, &header, body) else { return };
    list.take_while(Result::is_ok).for_each(drop);
}

fn directory_node(data: &[u8]) {
    if let Ok(node) = Node::decode::<Directories>(Bytes::copy_from_slice(data)) {
        let _ = node.summary::<Directories>();
    }
}

fn system_node(data: &[u8]) {
    if let Ok(node) = Node::decode::<SystemMap>(Bytes::copy_from_slice(data)) {
        let _ = node.summary::<SystemMap>();
    }
}

fn list_node(data: &[u8]) {
    let _ = ListNode::decode(data);
}

fn item(data: &[u8]) {
    let _ = Item::totals_of(data);
    if let Ok(item) = Item::decode(data) {
        assert!(item.encode().is_ok_and(|again| again == data));
    }
}

fn version(data: &[u8]) {
    if let Ok(version) = Version::decode(data) {
        assert_eq!(version.encode(), data);
        assert_eq!(version.id().0, Kind::Version.hash(data));
    }
}

fn attributes(data: &[u8]) {
    if let Ok(set) = AttributeSet::decode(data) {
        assert!(set.encode().is_ok_and(|again| again == data));
    }
}

fn journal(data: &[u8]) {
    let (key, value) = data.split_at(data.len().min(8));
    let _ = Snapshot::decode(key, value);
    let _ = HistoryEntry::decode(key, value);
}

fn path(data: &[u8]) {
    let _ = Name::new(data);
    if let Ok(path) = Path::parse(data) {
        let again = Path::parse(path.as_bytes());
        assert!(again.is_ok_and(|again| again == path));
    }
}
