use proptest::prelude::*;

use super::*;

/// Bytes that look random and are the same everywhere: SplitMix64 from a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn lens(data: &[u8]) -> Vec<usize> {
    chunks(data).map(<[u8]>::len).collect()
}

#[test]
fn the_cuts_of_format_version_1_never_change() {
    let text: Vec<u8> =
        (0..80_000u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let golden: [(&str, Vec<u8>, &[usize]); 4] = [
        (
            "noise",
            noise(1, 1 << 20),
            &[
                28_128, 87_550, 64_925, 67_788, 30_364, 38_273, 50_371, 101_085, 100_168, 79_822,
                94_750, 68_129, 37_731, 77_250, 65_957, 56_285,
            ],
        ),
        (
            "more noise",
            noise(2, 700_001),
            &[118_028, 69_772, 55_088, 117_931, 60_985, 75_239, 120_936, 55_047, 26_975],
        ),
        (
            "text",
            text,
            &[107_116, 43_311, 38_302, 88_683, 85_024, 51_794, 42_016, 140_603, 205_224, 66_817],
        ),
        ("zeros", vec![0; 600_000], &[262_144, 262_144, 75_712]),
    ];
    for (name, data, expect) in golden {
        assert_eq!(lens(&data), expect, "{name}");
    }
}

#[test]
fn a_file_up_to_the_minimum_is_one_chunk_and_an_empty_one_has_none() {
    assert_eq!(lens(&[]), [0; 0]);
    assert_eq!(lens(&[7]), [1]);
    assert_eq!(lens(&noise(3, CHUNK_LEN_MIN)), [CHUNK_LEN_MIN]);
}

#[test]
fn the_cuts_are_those_of_the_crates_own_iterator() {
    let data = noise(4, 3_000_000);
    let expect: Vec<_> =
        fastcdc::v2020::FastCDC::new(&data, CHUNK_LEN_MIN, CHUNK_LEN_AVG, CHUNK_LEN_MAX)
            .map(|chunk| chunk.length)
            .collect();
    assert_eq!(lens(&data), expect);
}

#[test]
fn an_insertion_changes_one_chunk_as_a_rule() {
    let data = noise(5, 4 << 20);
    let mut edited = data.clone();
    edited.insert(2 << 20, 1);
    let before: std::collections::HashSet<_> = chunks(&data).collect();
    let new = chunks(&edited).filter(|chunk| !before.contains(chunk)).count();
    assert!(new <= 3, "{new} chunks changed");
}

/// Gives at most `step` bytes a time, and an interruption before each.
struct Trickle<'d> {
    data: &'d [u8],
    step: usize,
    interrupt: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.step.min(buffer.len()).min(self.data.len());
        let (head, rest) = self.data.split_at(len);
        buffer[..len].copy_from_slice(head);
        self.data = rest;
        Ok(len)
    }
}

fn through_pieces(data: &[u8], steps: &[usize]) -> Vec<usize> {
    let mut chunker = Chunker::new();
    let (mut found, mut joined) = (Vec::new(), Vec::new());
    let mut take = |chunk: &[u8]| {
        found.push(chunk.len());
        joined.extend_from_slice(chunk);
        Ok(())
    };
    let mut rest = data;
    for step in steps.iter().cycle() {
        let (piece, after) = rest.split_at((*step).min(rest.len()));
        chunker.push(piece, &mut take).unwrap();
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    chunker.finish(&mut take).unwrap();
    assert_eq!(joined, data);
    found
}

#[test]
fn a_reader_that_fails_is_an_error_that_names_the_input() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no disk"))
        }
    }
    let error = ChunkReader::new().read(Dense(Broken), "/a/b", |_, _| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "reading /a/b: no disk");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_cuts_do_not_depend_on_the_pieces(
        seed in any::<u64>(),
        len in 0usize..1_500_000,
        steps in prop::collection::vec(1usize..600_000, 1..6),
        step in 1000usize..300_000,
    ) {
        let data = noise(seed, len);
        let expect = lens(&data);
        prop_assert_eq!(&through_pieces(&data, &steps), &expect);
        let mut reader = ChunkReader::new();
        // Twice: the buffer is used again.
        for _ in 0..2 {
            let mut found = Vec::new();
            let input = Trickle { data: &data, step, interrupt: false };
            let total = reader.read(Dense(input), "noise", |chunk, _| { found.push(chunk.len()); Ok(()) }).unwrap();
            prop_assert_eq!(total, len as u64);
            prop_assert_eq!(&found, &expect);
        }
    }
}

/// Bytes of which some are known to be zeros before they are read.
struct Holed<'b> {
    bytes: &'b [u8],
    /// The runs that are known, by where they begin and end.
    holes: Vec<(usize, usize)>,
    at: usize,
    /// Bytes that were given out one by one.
    read: usize,
}

impl Read for Holed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (&self.bytes[self.at..]).read(buffer)?;
        self.at += len;
        self.read += len;
        Ok(len)
    }
}

impl Sparse for Holed<'_> {
    fn zeros(&mut self) -> u64 {
        let hole = self.holes.iter().find(|(start, end)| (*start..*end).contains(&self.at));
        hole.map_or(0, |(_, end)| (end - self.at) as u64)
    }

    fn skip(&mut self, zeros: u64) {
        self.at += usize::try_from(zeros).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_chunks_are_the_same_whether_zeros_were_a_hole_or_written(
        pieces in prop::collection::vec(
            (any::<u64>(), 0..3_u8, prop_oneof![0..5_usize, 1..70_000_usize, 200_000..1_500_000_usize]),
            0..6,
        ),
    ) {
        let (mut bytes, mut holes) = (Vec::new(), Vec::new());
        for (seed, sort, len) in pieces {
            let start = bytes.len();
            match sort {
                0 => bytes.extend(noise(seed, len)),
                // Written zeros, and a hole.
                sort => {
                    bytes.resize(start + len, 0);
                    holes.extend((sort == 2 && len > 0).then_some((start, start + len)));
                }
            }
        }
        let mut found = Vec::new();
        let mut holed = Holed { bytes: &bytes, holes: holes.clone(), at: 0, read: 0 };
        let read = ChunkReader::new().read(&mut holed, "test", |chunk, times| {
            (0..times).for_each(|_| found.push(chunk.to_vec()));
            Ok(())
        });
        prop_assert_eq!(read.unwrap(), bytes.len() as u64);
        let expected: Vec<Vec<u8>> = chunks(&bytes).map(<[u8]>::to_vec).collect();
        prop_assert!(found == expected, "{:?}", holes);
        // Of a hole at most what is around its ends is read.
        let held: usize = bytes.len() - holes.iter().map(|(a, b)| b - a).sum::<usize>();
        prop_assert!(holed.read <= held + holes.len() * (READ_LEN + 2 * CHUNK_LEN_MAX));
    }
}

#[test]
fn no_chunk_ends_within_zeros() {
    assert_eq!(cut(&ZEROS, false), Some(CHUNK_LEN_MAX));
    assert_eq!(cut(&vec![0; 3 * CHUNK_LEN_MAX], true), Some(CHUNK_LEN_MAX));
    assert_eq!(ZEROS_ID.0, Hash::of(&vec![0; CHUNK_LEN_MAX]));
}
