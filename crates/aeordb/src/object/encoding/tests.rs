use proptest::prelude::*;

use super::*;

fn varint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).varint(value);
    out
}

#[test]
fn varints_at_every_length_border_read_back() {
    let mut values = vec![0, 1, u64::MAX];
    values.extend((1..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]));
    for value in values {
        let bytes = varint(value);
        let bits = 64 - (value | 1).leading_zeros() as usize;
        assert_eq!(bytes.len(), bits.div_ceil(7), "{value}");
        let mut decoder = Decoder::new("number", &bytes);
        assert_eq!(decoder.varint().unwrap(), value);
        decoder.finish().unwrap();
    }
}

#[test]
fn a_varint_that_is_longer_than_needed_or_too_large_is_refused() {
    for bad in [
        &[0x80, 0x00][..],
        &[0xff, 0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        &[0xff; 11],
        &[0x80],
        &[],
    ] {
        assert!(Decoder::new("number", bad).varint().is_err(), "{bad:x?} was read");
    }
}

#[test]
fn an_error_names_the_thing_the_offset_and_both_values() {
    let mut decoder = Decoder::new("file record", &[7, 3, 1, 2]);
    decoder.u8().unwrap();
    let error = decoder.bytes_in("a name", 1, 255).unwrap_err().to_string();
    assert_eq!(error, "file record is damaged at offset 2: expected 3 bytes, found 2");
    let error = Decoder::new("node", &[9]).varint_in("levels", 0, 3).unwrap_err().to_string();
    assert_eq!(error, "node is damaged at offset 1: expected levels of 0 to 3, found 9");
}

#[test]
fn a_length_beyond_the_input_is_an_error_whatever_it_claims() {
    let mut bytes = varint(u64::MAX);
    bytes.push(1);
    assert!(Decoder::new("x", &bytes).bytes_in("bytes", 0, usize::MAX).is_err());
}

proptest! {
    #[test]
    fn a_varint_that_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut decoder = Decoder::new("number", &bytes);
        if let Ok(value) = decoder.varint() {
            prop_assert_eq!(&varint(value)[..], &bytes[..decoder.offset()]);
        }
    }
}
