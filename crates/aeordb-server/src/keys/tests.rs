use std::sync::Arc;

use aeordb::db::Options;
use aeordb::media::MemoryMedia;

use super::*;

fn database() -> Database {
    let path = std::path::Path::new("test.aeordb");
    Database::create_media(Arc::new(MemoryMedia::new()), path, [1; 16], &Options::default())
        .unwrap()
}

fn new(words: &str) -> NewKey {
    NewKey {
        name: "n".into(),
        rights: Rights::parse(words.split(',')).unwrap(),
        within: None,
        expires_at: None,
    }
}

#[test]
fn a_key_opens_with_its_secret_and_with_nothing_else() {
    let database = database();
    let (key, text) = create(&database, new("read")).unwrap();
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{text}");
    assert_eq!(text.split('_').count(), 3);
    let ring = KeyRing::read(&database.reader().unwrap()).unwrap();
    assert_eq!(ring.open(&text, 0).unwrap(), &key);
    let wrong = format!("{}x", &text[..text.len() - 1]);
    for text in [wrong.as_str(), "", "aeor_", "aeor__", &format!("aeor_{}_", key.id), &key.id] {
        assert!(ring.open(text, 0).is_none(), "{text}");
    }
    assert!(!format!("{ring:?}").contains(text.rsplit('_').next().unwrap()));
}

#[test]
fn a_key_for_one_path_is_one_without_rights_for_whoever_does_not_know_of_paths() {
    let database = database();
    let within = Some(Path::parse(b"/hosts/a").unwrap());
    let wanted = NewKey { within: within.clone(), ..new("read,append-only") };
    let (key, text) = create(&database, wanted).unwrap();
    let reader = database.reader().unwrap();
    let ring = KeyRing::read(&reader).unwrap();
    assert_eq!(ring.open(&text, 0).unwrap(), &key);
    assert_eq!((&key.within, key.rights), (&within, new("read,append-only").rights));
    // What is kept of the key itself is all that an older program reads.
    let (place, value) = reader.system(PREFIX).unwrap().remove(0);
    let alone = Key::decode(&place, &value).unwrap();
    assert!(Scope::ALL.into_iter().all(|scope| !alone.rights.has(scope)));
    let revoked = revoke(&database, &key.id, &Rights::admin()).unwrap().unwrap();
    assert_eq!(revoked.within, within);
    let ring = KeyRing::read(&database.reader().unwrap()).unwrap();
    assert!(ring.open(&text, 0).is_none());
    for more in ["admin", "export", "read,import", "promote", "gc", "keys"] {
        let wanted = NewKey { within: within.clone(), ..new(more) };
        assert!(matches!(create(&database, wanted), Err(Error::Invalid(_))), "{more}");
    }
}

#[test]
fn a_key_that_expired_or_was_revoked_opens_nothing_and_is_still_listed() {
    let database = database();
    let end = database.clock().now() + 1_000_000_000;
    let wanted = NewKey { expires_at: Some(end), ..new("read") };
    let (first, expiring) = create(&database, wanted).unwrap();
    let (second, revoked) = create(&database, new("write,gc")).unwrap();
    revoke(&database, &second.id, &Rights::admin()).unwrap().unwrap();
    let ring = KeyRing::read(&database.reader().unwrap()).unwrap();
    assert!(ring.open(&expiring, end - 1).is_some());
    assert!(ring.open(&expiring, end).is_none());
    assert!(ring.open(&revoked, 0).is_none());
    let mut ids: Vec<String> =
        list(&database.reader().unwrap()).unwrap().into_iter().map(|key| key.id).collect();
    let mut expected = [first.id, second.id];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    let nobody = revoke(&database, "nobody", &Rights::admin());
    assert!(matches!(nobody, Err(Error::NotFound(_))));
}

#[test]
fn nobody_revokes_a_key_that_may_do_more_than_they_may() {
    let database = database();
    let (admin, _) = create(&database, new("admin")).unwrap();
    let (keys, _) = create(&database, new("keys")).unwrap();
    assert_eq!(revoke(&database, &admin.id, &keys.rights).unwrap(), None);
    let ring = KeyRing::read(&database.reader().unwrap()).unwrap();
    assert_eq!(ring.0[&admin.id].revoked_at, None);
    assert!(revoke(&database, &keys.id, &keys.rights).unwrap().unwrap().revoked_at.is_some());
}

#[test]
fn presets_append_and_do_not_remove_and_nobody_gives_more_than_they_have() {
    let rights = |words: &str| Rights::parse(words.split(','));
    let appending = rights("append-only").unwrap();
    assert_eq!(appending.names(), ["write", "snapshot", "append-only"]);
    assert_eq!(rights("backup").unwrap().names(), ["export", "append-only"]);
    assert!(rights("append-only,gc").is_err());
    assert!(rights("").is_err());
    assert!(rights("root").is_err());
    assert!(Rights::admin().include(&appending));
    assert!(!appending.include(&Rights::admin()));
    assert!(!appending.include(&rights("write").unwrap()));
    assert!(rights("write,snapshot,keys").unwrap().include(&appending));
    assert!(!rights("write,keys").unwrap().include(&appending));
}
