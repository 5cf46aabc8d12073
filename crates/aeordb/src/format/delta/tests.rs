use super::*;
use crate::format::FRAME_HEADER_LEN;

const AT: u64 = 4096;

/// Bytes that do not compress by themselves.
fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("noise").update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

struct Example {
    context: Vec<Hash>,
    encodings: Vec<u8>,
    prefix: Vec<u8>,
    raw: Vec<u8>,
    frame: Vec<u8>,
}

/// A chunk that differs a little from its reference, and a delta that holds it.
fn example() -> Example {
    let prefix = noise(1, 5000);
    let mut raw = prefix.clone();
    raw.splice(100..110, *b"something else");
    let reference = Hash::of(&prefix);
    let encodings = [noise(2, 100), reference.as_bytes().to_vec(), noise(3, 100)].concat();
    let context = vec![Kind::Directory.hash(&encodings)];
    let payload = Compressor::new().compress(&prefix, &raw).expect("smaller");
    let section = Section {
        kind: Kind::Chunk,
        references: vec![reference],
        lens: vec![3000, raw.len() as u32 - 3000],
        payload_len: payload.len(),
    };
    let frame = encode(&context, &encodings, &[(section, payload)]).expect("encoded");
    Example { context, encodings, prefix, raw, frame }
}

fn header(frame: &[u8]) -> FrameHeader {
    FrameHeader::parse(frame).expect("a header")
}

#[test]
fn what_was_encoded_comes_out_again_for_whoever_has_the_references() {
    let Example { context, encodings, prefix, raw, frame } = example();
    let header = header(&frame);
    let parts = parse(AT, &header, &frame[FRAME_HEADER_LEN..]).expect("sound");
    assert_eq!(parts.context, context);
    let sections = sections(AT, &header, &parts, &encodings).expect("sound");
    assert_eq!(sections.len(), 1);
    assert_eq!(sections[0].references, [Hash::of(&prefix)]);
    assert_eq!(decode(AT, &sections[0], parts.payloads, &prefix).expect("decodes"), raw);
}

#[test]
fn a_delta_of_a_small_change_is_small_and_a_name_that_the_context_has_costs_little() {
    let Example { frame, .. } = example();
    // The header, the context's name, and less than half of the reference's for all the rest.
    let rest = frame.len() - FRAME_HEADER_LEN - DELTA_HEAD_LEN - HASH_LEN;
    assert!(rest < 100, "{rest} bytes");
}

#[test]
fn what_does_not_shrink_is_no_delta() {
    let prefix = noise(1, 1000);
    assert!(Compressor::new().compress(&prefix, &noise(2, 1000)).is_none());
}

#[test]
fn a_changed_byte_anywhere_is_damage() {
    let Example { frame, .. } = example();
    for at in FRAME_HEADER_LEN..frame.len() {
        let mut frame = frame.clone();
        frame[at] ^= 1;
        let result = parse(AT, &header(&frame), &frame[FRAME_HEADER_LEN..]);
        assert!(matches!(result, Err(Error::Damaged { offset: AT, .. })), "byte {at}");
    }
}

#[test]
fn with_another_context_or_reference_it_is_damage_or_other_bytes_but_never_a_panic() {
    let Example { encodings, prefix, raw, frame, .. } = example();
    let header = header(&frame);
    let parts = parse(AT, &header, &frame[FRAME_HEADER_LEN..]).expect("sound");
    for len in [0, 1, 100, encodings.len() - 1] {
        // Names that were matched in the context come out as other names, or not at all.
        let other = sections(AT, &header, &parts, &encodings[..len]);
        assert!(other.map_or(true, |s| s[0].references != [Hash::of(&prefix)]));
    }
    let good = sections(AT, &header, &parts, &encodings).expect("sound");
    for len in [0, 1, 100, prefix.len() - 1] {
        let other = decode(AT, &good[0], parts.payloads, &prefix[..len]);
        assert!(other.map_or(true, |bytes| bytes != raw));
    }
}

/// The example's frame with another head or table, sealed as if it were sound.
fn forged(change: impl FnOnce(&mut FrameHeader, &mut Vec<u8>)) -> (FrameHeader, Vec<u8>) {
    let Example { frame, .. } = example();
    let mut header = header(&frame);
    let mut body = frame[FRAME_HEADER_LEN..].to_vec();
    change(&mut header, &mut body);
    header.body_len = (body.len() as u64).into();
    (header.sealed([body.as_slice()]), body)
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated_for_them() {
    let refused = |(header, body): (FrameHeader, Vec<u8>)| {
        let parts = match parse(AT, &header, &body) {
            Err(Error::Damaged { .. } | Error::Limit { .. }) => return true,
            Err(other) => panic!("{other}"),
            Ok(parts) => parts,
        };
        let encodings = example().encodings;
        matches!(sections(AT, &header, &parts, &encodings), Err(Error::Damaged { .. }))
    };
    assert!(!refused(forged(|_, _| {})));
    assert!(refused(forged(|header, _| header.count = 0.into())));
    assert!(refused(forged(|header, _| header.count = u32::MAX.into())));
    assert!(refused(forged(|header, _| header.count = 3.into())));
    assert!(refused(forged(|header, _| header.raw_len = u32::MAX.into())));
    assert!(refused(forged(|header, _| header.raw_len = 1.into())));
    for field in 0..3 {
        for number in [0u32, 2, 5000, u32::MAX] {
            let at = field * 4;
            let forged = forged(|_, body| body[at..at + 4].copy_from_slice(&number.to_le_bytes()));
            assert!(refused(forged), "field {field} with {number}");
        }
    }
    assert!(refused(forged(|_, body| body.truncate(body.len() - 1))));
    assert!(refused(forged(|_, body| body.push(0))));
    assert!(refused(forged(|_, body| body.truncate(8))));
}

#[test]
fn sections_of_kinds_that_have_no_deltas_are_refused() {
    let (kind, reserved) = (std::mem::offset_of!(SectionHead, kind), [0; 3]);
    assert_eq!(kind, 0);
    let numbers = [0, Kind::Version as u8, Kind::System as u8, 99].map(|kind| (kind, reserved));
    for (number, reserved) in numbers.into_iter().chain([(Kind::Chunk as u8, [0, 1, 0])]) {
        let head = SectionHead {
            kind: number,
            reserved,
            references: 0.into(),
            entries: 1.into(),
            payload_len: 1.into(),
        };
        let table = [head.as_bytes(), &[1, 0, 0, 0]].concat();
        let error = read_section(AT, &table).unwrap_err();
        let known = Kind::from_u8(number).is_some() && reserved == [0; 3];
        assert_eq!(matches!(error, Error::Newer { .. }), !known, "kind {number}: {error}");
        assert_eq!(matches!(error, Error::Damaged { .. }), known, "kind {number}: {error}");
    }
}

#[test]
fn a_section_that_promises_more_than_its_table_holds_is_refused() {
    let whole = |references: u32, entries: u32| {
        let head = SectionHead {
            kind: Kind::Chunk as u8,
            reserved: [0; 3],
            references: references.into(),
            entries: entries.into(),
            payload_len: 1.into(),
        };
        [head.as_bytes(), &[0; 36]].concat()
    };
    assert!(read_section(AT, &whole(1, 1)).is_ok());
    for (references, entries) in [(2, 1), (u32::MAX, 1), (1, 2), (1, u32::MAX), (0, 0)] {
        let table = whole(references, entries);
        let read = read_section(AT, &table);
        assert!(matches!(read, Err(Error::Damaged { .. })), "{references} and {entries}");
    }
}
