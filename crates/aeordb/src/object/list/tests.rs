use proptest::prelude::*;

use super::*;
use crate::object::reference::Reference;
use crate::store::ReadEntries;
use crate::store::memory::MemoryStore;

const LEN_MAX: u32 = 256 * 1024;

fn chunk(number: u64) -> ChunkRef {
    let len = u32::try_from(CHUNK_LEN_MIN as u64 + number % 1000).unwrap();
    ChunkRef { id: ChunkId::of(&number.to_le_bytes()), len }
}

fn build(store: &mut MemoryStore, chunks: &[ChunkRef]) -> (Content, u64) {
    let mut builder = ListBuilder::new();
    for chunk in chunks {
        builder.push(store, *chunk).unwrap();
    }
    (builder.finish(store).unwrap(), chunks.iter().map(|chunk| u64::from(chunk.len)).sum())
}

fn numbered(count: u64) -> Vec<ChunkRef> {
    (0..count).map(chunk).collect()
}

fn verify(store: &MemoryStore, content: &Content, size: u64) -> Result<(u64, Vec<ChunkRef>)> {
    let (mut nodes, mut chunks) = (0, Vec::new());
    verify_list(store, content, size, |found| {
        match found {
            Reference::List { .. } => nodes += 1,
            Reference::Attributes { .. } => unreachable!("no list has one"),
            Reference::Chunk { id, len } => chunks.push(ChunkRef { id: *id, len }),
        }
        Ok(true)
    })?;
    Ok((nodes, chunks))
}

#[test]
fn eight_chunks_are_inline_and_nine_are_a_list() {
    let mut store = MemoryStore::new();
    assert_eq!(build(&mut store, &[]).0, Content::Inline(vec![]));
    assert_eq!(build(&mut store, &numbered(8)).0, Content::Inline(numbered(8)));
    assert!(store.is_empty());
    let (content, size) = build(&mut store, &numbered(9));
    assert!(matches!(content, Content::List { chunks: 9, .. }));
    assert_eq!(verify(&store, &content, size).unwrap(), (1, numbered(9)));
}

#[test]
fn lists_of_every_height_read_back_from_every_offset() {
    for count in [9, 31, 32, 33, 200, 5_000, 40_000] {
        let mut store = MemoryStore::new();
        let chunks = numbered(count);
        let (content, size) = build(&mut store, &chunks);
        assert_eq!(verify(&store, &content, size).unwrap().1, chunks);
        for from in [0, 1, size / 3, size / 2, size - 1, size, size + 1] {
            let before = store.reads();
            let found: Vec<_> = ListReader::new(&store, &content, size, from)
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let mut offset = 0;
            let mut expect = Vec::new();
            for chunk in &chunks {
                let end = offset + u64::from(chunk.len);
                if end > from {
                    expect.push((offset, *chunk));
                }
                offset = end;
            }
            assert_eq!(found, expect, "{count} chunks from {from}");
            if from + 1 == size {
                assert!(store.reads() - before <= 4, "the last byte is one path away");
            }
        }
    }
}

#[test]
fn nodes_have_about_128_entries() {
    let mut store = MemoryStore::new();
    let (content, size) = build(&mut store, &numbered(100_000));
    let (nodes, _) = verify(&store, &content, size).unwrap();
    assert!((600..1000).contains(&nodes), "{nodes} nodes for 100,000 chunks");
}

#[test]
fn equal_chunks_over_and_over_still_make_bounded_nodes() {
    // A sparse file of a terabyte: as many times the same chunk, whose id closes or never closes.
    let mut ids: Vec<ChunkId> = (0..1000u64).map(|number| chunk(number).id).collect();
    ids.sort_by_key(|id| id.hash().low_u64());
    for id in [ids[0], ids[999]] {
        let mut store = MemoryStore::new();
        let chunks = vec![ChunkRef { id, len: LEN_MAX }; 200_000];
        let (content, size) = build(&mut store, &chunks);
        assert!(store.len() < 20, "equal nodes are stored once");
        let (nodes, found) = verify(&store, &content, size).unwrap();
        assert!(nodes < 20 && !found.is_empty(), "and gone through once");
    }
}

#[test]
fn an_insertion_at_the_start_rewrites_a_few_nodes() {
    let mut store = MemoryStore::new();
    let mut chunks = numbered(50_000);
    build(&mut store, &chunks);
    let before = store.len();
    chunks.insert(0, chunk(1_000_000));
    let (content, size) = build(&mut store, &chunks);
    verify(&store, &content, size).unwrap();
    assert!(store.len() - before <= 8, "{} new nodes", store.len() - before);
}

#[test]
fn a_list_that_is_split_otherwise_is_refused_by_verify() {
    let mut store = MemoryStore::new();
    let chunks = numbered(60);
    let (mut nodes, mut top) = (Vec::new(), vec![1u8]);
    for half in chunks.chunks(30) {
        let mut encoding = vec![0u8];
        for chunk in half {
            Encoder::new(&mut encoding).hash(chunk.id.hash());
            Encoder::new(&mut encoding).varint(chunk.len.into());
        }
        let id = store.append(Kind::List, &encoding).unwrap();
        nodes.push(encoding);
        let mut encoder = Encoder::new(&mut top);
        encoder.hash(&id);
        encoder.varint(half.iter().map(|chunk| u64::from(chunk.len)).sum());
        encoder.varint(half.len() as u64);
    }
    let root = ListId(store.append(Kind::List, &top).unwrap());
    let content = Content::List { root, chunks: 60 };
    let size = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
    let read = ListReader::new(&store, &content, size, 0).unwrap().count();
    assert_eq!(read, 60, "it can be read");
    assert!(verify(&store, &content, size).is_err(), "but it is not canonical");
}

#[test]
fn a_list_that_does_not_sum_up_is_an_error_and_the_reader_ends() {
    let mut store = MemoryStore::new();
    let (content, size) = build(&mut store, &numbered(5_000));
    assert!(ListReader::new(&store, &content, size + 1, 0).is_err());
    let Content::List { root, .. } = content else { unreachable!() };
    let ListNode::Inner { level, mut children } =
        ListNode::decode(&store.read(Kind::List, root.hash()).unwrap()).unwrap()
    else {
        unreachable!()
    };
    children[0].bytes += 1;
    children[1].bytes -= 1;
    let mut top = vec![level];
    for child in &children {
        let mut encoder = Encoder::new(&mut top);
        encoder.hash(child.id.hash());
        encoder.varint(child.bytes);
        encoder.varint(child.chunks);
    }
    let root = ListId(store.append(Kind::List, &top).unwrap());
    let mut reader =
        ListReader::new(&store, &Content::List { root, chunks: 5_000 }, size, 0).unwrap();
    assert!(matches!(reader.next(), Some(Err(Error::Damaged { .. }))));
    assert!(reader.next().is_none());
}

#[test]
fn chunks_that_no_chunker_cuts_are_refused() {
    let mut store = MemoryStore::new();
    for len in [0, LEN_MAX + 1] {
        let mut builder = ListBuilder::new();
        assert!(builder.push(&mut store, ChunkRef { len, ..chunk(1) }).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutated_nodes_are_refused_or_encode_the_same(
        count in 1u64..80, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = vec![0u8];
        for chunk in numbered(count) {
            Encoder::new(&mut bytes).hash(chunk.id.hash());
            Encoder::new(&mut bytes).varint(chunk.len.into());
        }
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(1 + cut.index(bytes.len() * 2).min(bytes.len() - 1));
        if let Ok(node) = ListNode::decode(&bytes) {
            let mut again = vec![node.level()];
            let mut encoder = Encoder::new(&mut again);
            match &node {
                ListNode::Leaf(chunks) => for chunk in chunks {
                    encoder.hash(chunk.id.hash());
                    encoder.varint(chunk.len.into());
                },
                ListNode::Inner { children, .. } => for child in children {
                    encoder.hash(child.id.hash());
                    encoder.varint(child.bytes);
                    encoder.varint(child.chunks);
                },
            }
            prop_assert_eq!(again, bytes);
        }
    }
}
