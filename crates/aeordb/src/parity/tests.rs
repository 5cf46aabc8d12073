use super::*;
use crate::media::MemoryMedia;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn media(bytes: &[u8]) -> MemoryMedia {
    MemoryMedia::with_limit(bytes.to_vec(), u64::MAX)
}

fn parity_of(bytes: &[u8], head: ParityHead) -> Vec<u8> {
    let out = media(&[]);
    let report = write(&media(bytes), "f", head, &out, &Monitor::new()).unwrap();
    assert_eq!(report.file_bytes, out.to_vec().len() as u64);
    out.to_vec()
}

fn healed(damaged: &[u8], parity: &[u8]) -> (HealReport, Vec<u8>) {
    let into = media(&[]);
    let healed = heal(&media(damaged), "f", &media(parity), &into, &Monitor::new()).unwrap();
    (healed, into.to_vec())
}

/// Numbers below `limit`, others for each seed.
fn drawn(seed: u64, limit: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |turn: u64| {
        let key = [seed.to_le_bytes(), turn.to_le_bytes()].concat();
        crate::hash::Hash::of(&key).low_u64() % limit
    })
}

/// Heads of one set and of two, with a last piece that is not whole.
fn heads() -> [(Vec<u8>, ParityHead); 2] {
    let small = noise(1, 300_001);
    let one = ParityHead::new(0, small.len() as u64, 50_000, [7; 16]).unwrap();
    let large = noise(2, 15_200_001);
    let mut two = ParityHead::new(8192, large.len() as u64 - 8192, 20_000, [7; 16]).unwrap();
    two.piece_len = 1024.into();
    assert_eq!((one.sets(), two.sets()), (1, 2));
    [(small, one), (large, two)]
}

#[test]
fn scattered_damage_and_bursts_up_to_the_share_are_healed_wherever_they_are() {
    for (whole, head) in heads() {
        let parity = parity_of(&whole, head);
        let (found, copy) = healed(&whole, &parity);
        assert!(found.is_whole && found.bad == 0 && copy == whole);
        let capacity = head.parity_pieces();
        let rounds = if head.sets() == 1 { 40 } else { 4 };
        for seed in 0..rounds {
            let mut damaged = whole.clone();
            if seed % 2 == 0 {
                // Single bits, each in a piece of its own; half of the share where chance deals them out.
                let most = if head.sets() == 1 { capacity } else { capacity / 2 };
                let places = drawn(seed, head.len.get()).take(most as usize);
                places.for_each(|at| damaged[(head.start.get() + at) as usize] ^= 1 << (seed % 8));
            } else {
                // One burst takes a piece more than its length says.
                let len = (capacity - 2) * head.piece();
                let at = drawn(seed, head.len.get() - len).next().unwrap() + head.start.get();
                damaged[at as usize..(at + len) as usize].fill(seed as u8);
            }
            let (found, copy) = healed(&damaged, &parity);
            assert!(found.is_whole && found.bad > 0, "{seed} {found:?}");
            assert!(copy == whole && found.bad == found.healed, "{seed}");
        }
    }
}

#[test]
fn what_is_beyond_the_share_is_left_as_it_is_and_said_to_be() {
    let [(whole, head), _] = heads();
    let parity = parity_of(&whole, head);
    let len = ((head.parity_pieces() + 2) * head.piece()) as usize;
    let mut damaged = whole.clone();
    damaged[5000..5000 + len].fill(0);
    let (found, copy) = healed(&damaged, &parity);
    assert!(!found.is_whole && found.healed == 0 && found.bad > head.parity_pieces());
    assert!(copy == damaged);
}

#[test]
fn a_file_that_is_cut_off_gets_its_end_back_and_what_was_added_stays() {
    let [(whole, head), _] = heads();
    let parity = parity_of(&whole, head);
    let (found, copy) = healed(&whole[..whole.len() - 9000], &parity);
    assert!(found.is_whole && copy == whole, "{found:?}");
    let longer = [&whole[..], &noise(3, 70_000)].concat();
    let mut damaged = longer.clone();
    damaged[1000] ^= 1;
    let (found, copy) = healed(&damaged, &parity);
    assert!(found.is_whole && copy == longer, "{found:?}");
}

#[test]
fn parity_that_is_damaged_itself_heals_with_what_is_left_of_it() {
    let [(whole, head), _] = heads();
    let parity = parity_of(&whole, head);
    let mut damaged = whole.clone();
    damaged[100_000..100_000 + 3 * head.piece() as usize].fill(9);
    let [first, second] = head.tables();
    let last_head = head.file_len() - HEAD_LEN;
    for places in [
        vec![0, first],
        vec![last_head, second],
        vec![0, second, head.parity_at(0), head.parity_at(5)],
        vec![first + 300, last_head + 40, head.parity_at(1) + 100],
    ] {
        let mut parity = parity.clone();
        places.iter().for_each(|at| parity[*at as usize] ^= 0x40);
        let (found, copy) = healed(&damaged, &parity);
        assert!(found.is_whole && copy == whole, "{places:?} {found:?}");
    }
    // Cut off, it has one of each.
    let (found, copy) = healed(&damaged, &parity[..second as usize]);
    assert!(found.is_whole && copy == whole, "{found:?}");
    // Without any head it is no parity.
    let mut headless = parity;
    [0, last_head].iter().for_each(|at| headless[*at as usize] ^= 1);
    let into = media(&[]);
    let failed = heal(&media(&damaged), "f", &media(&headless), &into, &Monitor::new());
    assert!(matches!(failed, Err(Error::Damaged { .. })));
}
