use super::*;

fn record(path: &str, before: Sort, after: Sort, mark: u8) -> ChangeRecord {
    ChangeRecord { path: path.into(), before, after, mark: [mark; MARK_LEN] }
}

fn frames(records: &[ChangeRecord]) -> Vec<Vec<u8>> {
    let mut list = ChangeListWriter::default();
    let mut frames = Vec::new();
    for record in records {
        frames.extend(list.push(record).unwrap());
    }
    frames.extend(list.finish().unwrap());
    frames
}

fn read(frame: &[u8]) -> Result<Vec<ChangeRecord>> {
    let header = FrameHeader::parse(frame).unwrap();
    parse(0, &header, &frame[crate::format::FRAME_HEADER_LEN..])?.collect()
}

/// A frame with this payload, sealed as the writer would.
fn sealed(marks: usize, raw: &[u8]) -> Vec<u8> {
    let body = [vec![0; marks * MARK_LEN], raw.to_vec()].concat();
    let mut header = FrameHeader::new(FrameKind::Changes, body.len() as u64);
    header.count = u32::try_from(marks).unwrap().into();
    header.raw_len = u32::try_from(raw.len()).unwrap().into();
    let header = header.sealed([body.as_slice()]);
    [zerocopy::IntoBytes::as_bytes(&header), &body].concat()
}

#[test]
fn a_list_reads_back_what_was_written_over_any_number_of_parts() {
    let sorts = [Sort::Nothing, Sort::File, Sort::Directory];
    let records: Vec<_> = (0..40_000usize)
        .map(|n| {
            let (before, after) = (sorts[n % 3], sorts[(n % 3 + 1 + n % 2) % 3]);
            record(&format!("/some/directory-{}/file-{n:06}.txt", n / 100), before, after, n as u8)
        })
        .collect();
    let frames = frames(&records);
    assert!(frames.len() > 1);
    let back: Vec<_> = frames.iter().flat_map(|frame| read(frame).unwrap()).collect();
    assert_eq!(back, records);
    let stored: usize = frames.iter().map(Vec::len).sum();
    assert!(stored < 8 * records.len(), "{stored} bytes");
}

#[test]
fn letters_say_what_happened() {
    let letters = [(Sort::Nothing, Sort::File, 'A'), (Sort::Directory, Sort::Nothing, 'D')];
    for (before, after, letter) in letters {
        assert_eq!(record("/x", before, after, 0).letter(), letter);
    }
    assert_eq!(record("/x", Sort::File, Sort::Directory, 0).letter(), 'M');
}

#[test]
fn records_that_were_made_up_are_refused() {
    for (what, marks, raw) in [
        ("a code of nothing", 1, &[0, 0, 2, b'/', b'a'][..]),
        ("an unknown code", 1, &[9, 0, 2, b'/', b'a']),
        ("a prefix that is not there", 1, &[1, 1, 1, b'a']),
        ("a path that is cut off", 1, &[1, 0, 9, b'/']),
        ("bytes after the last path", 1, &[1, 0, 1, b'/', b'a']),
        ("a length without an end", 1, &[1, 0xff, 0xff, 0xff, 0xff]),
    ] {
        assert!(read(&sealed(marks, raw)).is_err(), "{what} was read");
    }
    // More records than there are bytes for are refused before anything is allocated.
    assert!(read(&sealed(3, &[1, 0, 1, b'/'])).is_err());
}

#[test]
fn a_path_grows_no_longer_than_paths_are() {
    // Every record adds 100 bytes to the path before it.
    let count = 50u8;
    let mut raw = vec![1; usize::from(count)];
    for n in 0..usize::from(count) {
        push_varint(&mut raw, n * 100);
        push_varint(&mut raw, 100);
    }
    raw.extend(std::iter::repeat_n(b'a', usize::from(count) * 100));
    let records: Vec<_> = {
        let frame = sealed(usize::from(count), &raw);
        let header = FrameHeader::parse(&frame).unwrap();
        parse(0, &header, &frame[crate::format::FRAME_HEADER_LEN..]).unwrap().collect()
    };
    assert_eq!(records.iter().filter(|record| record.is_ok()).count(), PATH_LEN_MAX / 100);
    assert!(records.last().unwrap().is_err());
}

#[test]
fn every_flipped_byte_of_a_list_is_noticed() {
    let frame = &frames(&[record("/a", Sort::Nothing, Sort::File, 7)])[0];
    for at in crate::format::FRAME_HEADER_LEN..frame.len() {
        let mut frame = frame.clone();
        frame[at] ^= 1;
        assert!(read(&frame).is_err(), "byte {at}");
    }
}
