use proptest::prelude::*;

use super::*;

fn version(number: u8) -> Digest {
    Digest([number; 32])
}

/// Files a second apart: the version of each, and for patches the one that it starts from.
fn links(of: &[(u8, Option<u8>)]) -> Vec<Link> {
    let link = |(number, (to, from)): (usize, &(u8, Option<u8>))| Link {
        time: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
        version: version(*to),
        base: from.map(version),
    };
    of.iter().enumerate().map(link).collect()
}

#[test]
fn patches_follow_a_full_file_until_the_next_one_is_due() {
    let mut of = Vec::new();
    let mut kinds = String::new();
    for number in 0..9 {
        match next(&links(&of), 3) {
            Next::Full => {
                kinds.push('F');
                of.push((number, None));
            }
            Next::Patch(file) => {
                kinds.push('p');
                assert_eq!(file, of.len() - 1);
                of.push((number, Some(number - 1)));
            }
        }
    }
    assert_eq!(kinds, "FppFppFpp");
    assert_eq!(next(&links(&of[..1]), 1), Next::Full);
}

#[test]
fn a_patch_whose_base_is_gone_is_nothing_to_go_on_from() {
    let of = links(&[(1, None), (2, Some(1)), (9, Some(8))]);
    assert_eq!(newest(&of), Some(1));
    assert_eq!(next(&of, 7), Next::Patch(1));
    assert_eq!(newest(&links(&[(9, Some(8))])), None);
    assert_eq!(newest(&[]), None);
}

#[test]
fn whole_chains_go_from_their_ends_on() {
    let of = links(&[(1, None), (2, Some(1)), (3, None), (4, Some(3)), (5, None)]);
    assert_eq!(prune(&of, 1), [3, 2, 1, 0]);
    assert_eq!(prune(&of, 2), [1, 0]);
    assert_eq!(prune(&of, 3), [] as [usize; 0]);
    // Of zero the newest stays.
    assert_eq!(prune(&of, 0), prune(&of, 1));
    // A patch that comes after the full file but stands on an older one keeps that.
    let crossed = links(&[(1, None), (2, Some(1)), (3, None), (4, Some(2)), (5, Some(4))]);
    assert_eq!(prune(&crossed, 1), [] as [usize; 0]);
}

fn any_files() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    proptest::collection::vec((0u8..6, proptest::option::of(0u8..6)), 0..14)
}

proptest! {
    #[test]
    fn what_is_pruned_never_takes_the_base_of_what_stays_whenever_it_is_cut_off(
        of in any_files(),
        keep in 0usize..4,
    ) {
        let all = links(&of);
        let restorable: Vec<usize> =
            (0..all.len()).filter(|file| stands_on(&all, *file).is_some()).collect();
        let going = prune(&all, keep);
        for done in 0..=going.len() {
            let gone = &going[..done];
            for file in restorable.iter().filter(|file| !gone.contains(file)) {
                // By the file itself: another of the same version would do as well, but is not asked for.
                let on = stands_on(&all, *file).unwrap();
                prop_assert!(on.iter().all(|on| !gone.contains(on)), "{of:?} {keep} {going:?}");
            }
        }
        // So many full files stay, and all that is newer.
        let fulls = |files: &[usize]| files.iter().filter(|file| of[**file].1.is_none()).count();
        let stay: Vec<usize> = (0..all.len()).filter(|file| !going.contains(file)).collect();
        let had = fulls(&(0..all.len()).collect::<Vec<_>>());
        prop_assert!(fulls(&stay) >= had.min(keep.max(1)));
        prop_assert_eq!(newest(&all).is_some(), stay.iter().any(|file| restorable.contains(file)));
        // Once is enough.
        let left: Vec<Link> = stay.iter().map(|file| all[*file].clone()).collect();
        prop_assert!(prune(&left, keep).iter().all(|file| stands_on(&left, *file).is_none()
            || fulls(&stay) > keep.max(1)));
    }

    #[test]
    fn a_chain_is_no_longer_than_was_said_and_begins_with_a_full_file(
        of in any_files(),
        full_every in 1usize..5,
    ) {
        let all = links(&of);
        if let Next::Patch(file) = next(&all, full_every) {
            let on = stands_on(&all, file).unwrap();
            prop_assert!(on.len() < full_every);
            prop_assert!(all[on[0]].base.is_none());
            prop_assert_eq!(Some(file), newest(&all));
        }
    }
}
