use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use aeordb::Error;
use aeordb::encryption::{FileKey, Identities, Recipients};

use crate::age::{Failed, Identity, Sealed, seal};
use crate::{Readers, Ring, keys};

/// Keys that nobody uses.
const OURS: &str = "AGE-SECRET-KEY-1NZQPPJYC7HPPDMYXLQV5MNNGJ054SMDNKDMY4PPN4ESLXY0MPR7QUH9M84\n";
const FOR_US: &str = "age17gzacz4m0pf9m7p3ka6s4h7sv06v2h9u38cr0ck2gzp6nauskgqqa3jfgq";
const THEIRS: &str = "AGE-SECRET-KEY-143XJ0JXHX27AMVW60TDKEHHUD3QMWWKRUXNPEFLL4U0R75H6W07QS6UNUT\n";
const SSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz
c2gtZWQyNTUxOQAAACBndRO9waIS5XE234H74IeFeUSEAIEc/LiUlM2NdDXtNAAA
AIiZbPm9mWz5vQAAAAtzc2gtZWQyNTUxOQAAACBndRO9waIS5XE234H74IeFeUSE
AIEc/LiUlM2NdDXtNAAAAEDg7OgmQJpEDvoLXp3MjgEJlSiKk9vwqnpoKUBVfTdY
Q2d1E73BohLlcTbfgfvgh4V5RIQAgRz8uJSUzY10Ne00AAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";
const FOR_SSH: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGd1E73BohLlcTbfgfvgh4V5RIQAgRz8uJSUzY10Ne00 nobody@nowhere";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }
}

fn wrapped(readers: &Readers) -> Vec<u8> {
    readers.wrap(&FileKey::new([7; 32])).expect("wrapped")
}

fn ring<const N: usize>(identities: [&PathBuf; N]) -> Ring {
    Ring::new(identities.into_iter().cloned().collect(), Vec::new())
}

#[test]
fn each_of_several_recipients_finds_the_key_and_nobody_else_does() {
    let folder = Folder::new();
    let file = folder.file("readers", format!("# who may read\n\n{FOR_SSH}\n"));
    let readers = Readers::parse([FOR_US, &file.display().to_string()]).expect("recipients");
    let wrapped = wrapped(&readers);
    let theirs = folder.file("theirs", THEIRS);
    for key in [folder.file("ours", OURS), folder.file("ssh", SSH)] {
        let found = ring([&theirs, &key]).unwrap("a file", &wrapped).expect("found");
        assert_eq!(found.as_bytes(), &[7; 32]);
    }
    for ring in [ring([&theirs]), ring([])] {
        let error = ring.unwrap("a file", &wrapped).expect_err("for others");
        assert!(matches!(error, Error::Encrypted { .. }), "{error}");
    }
}

#[test]
fn a_passphrase_opens_what_it_closed_and_another_does_not() {
    let folder = Folder::new();
    let right = folder.file("right", "correct horse\nsecond line\n");
    let wrong = folder.file("wrong", "incorrect horse\n");
    let wrapped = wrapped(&Readers::with_passphrase(&right).expect("a passphrase"));
    let ring = Ring::new(Vec::new(), vec![wrong.clone(), right]);
    assert_eq!(ring.unwrap("a file", &wrapped).expect("found").as_bytes(), &[7; 32]);
    let error = Ring::new(Vec::new(), vec![wrong]).unwrap("a file", &wrapped).expect_err("wrong");
    assert!(error.to_string().contains("another passphrase"), "{error}");
}

#[test]
fn what_is_no_recipient_is_said_without_repeating_secrets() {
    let folder = Folder::new();
    let file = folder.file("secret", OURS).display().to_string();
    let typo = FOR_US.replace('z', "y");
    for (text, expected) in [
        ("age1nonsense", "is no recipient"),
        (typo.as_str(), "is no recipient"),
        ("ssh-rsa AAAA", "ssh-ed25519 are taken"),
        (file.as_str(), "line 1 of"),
        ("/no/such/file", "reading /no/such/file"),
    ] {
        let error = Readers::parse([text]).err().expect("refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(OURS.trim()), "{error}");
    }
}

#[test]
fn no_byte_of_a_head_can_be_changed_without_being_found_out() {
    let readers = Readers::parse([FOR_US, FOR_SSH]).expect("recipients");
    let file = wrapped(&readers);
    let ours = keys::age_identity(OURS.trim()).expect("a key");
    let opened = |file: &[u8]| Sealed::parse(file).and_then(|sealed| sealed.open([&ours]));
    assert_eq!(opened(&file), Ok(vec![7; 32]));
    for at in 0..file.len() {
        for mask in [1, 0x20, 0x80] {
            let mut changed = file.clone();
            changed[at] ^= mask;
            assert!(opened(&changed).is_err(), "byte {at} by {mask:#x}");
        }
        assert!(opened(&file[..at]).is_err(), "{at} bytes");
    }
    assert!(opened(&[&file[..], b"x"].concat()).is_err());
}

#[test]
fn a_head_that_asks_for_much_or_mixes_passphrases_with_keys_is_refused_before_it_is_tried() {
    let mut text = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n".to_vec();
    text.extend_from_slice(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAA\n");
    let phrase = Identity::Passphrase(b"x".to_vec(), 18);
    let opened = |text: &[u8]| Sealed::parse(text).and_then(|sealed| sealed.open([&phrase]));
    assert_eq!(opened(&text), Err(Failed::TooCostly));
    let recipients = [
        keys::age_recipient(FOR_US).expect("one"),
        crate::age::Recipient::Passphrase(b"x".to_vec(), 1),
    ];
    let mixed = seal(&recipients, b"secret").expect("sealed");
    assert_eq!(opened(&mixed), Err(Failed::Malformed));
    assert_eq!(opened(b"age-encryption.org/v2\n"), Err(Failed::Newer));
    assert_eq!(opened(b"nonsense\n"), Err(Failed::Malformed));
}

/// rage, another implementation, by its binding for Python: of the virtual environment that `.ci/run`
/// makes, if it is there.
fn rage(script: &str, folder: &Folder) -> Option<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/crypt/bin/python");
    let has_it = |program: &Path| {
        let asked = Command::new(program).args(["-c", "import pyrage"]).output();
        asked.is_ok_and(|done| done.status.success())
    };
    if !has_it(&program) {
        let what = "NOT TESTED: files of age with another implementation (pip install pyrage)";
        let _ = writeln!(std::io::stderr(), "{what}");
        return None;
    }
    let done = Command::new(program).args(["-c", script]).current_dir(folder.0.path()).output();
    let done = done.expect("started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(())
}

#[test]
fn another_implementation_of_age_opens_what_we_close_and_closes_what_we_open() {
    let folder = Folder::new();
    let (ours, ssh) = (folder.file("ours", OURS), folder.file("ssh", SSH));
    let phrase = folder.file("phrase", "correct horse");
    folder.file("keys", wrapped(&Readers::parse([FOR_US, FOR_SSH]).expect("recipients")));
    folder.file("by-phrase", wrapped(&Readers::with_passphrase(&phrase).expect("a passphrase")));
    let script = format!(
        "
import pyrage
read = lambda name: open(name, 'rb').read()
x = pyrage.x25519.Identity.from_str(open('ours').read().strip())
s = pyrage.ssh.Identity.from_buffer(read('ssh'))
for one in (x, s):
    assert pyrage.decrypt(read('keys'), [one]) == bytes([7] * 32)
assert pyrage.passphrase.decrypt(read('by-phrase'), 'correct horse') == bytes([7] * 32)
to = [x.to_public(), pyrage.ssh.Recipient.from_str('{FOR_SSH}')]
open('back', 'wb').write(pyrage.encrypt(bytes([9] * 32), to))
"
    );
    let Some(()) = rage(&script, &folder) else { return };
    let back = fs::read(folder.0.path().join("back")).expect("written");
    for key in [ours, ssh] {
        assert_eq!(ring([&key]).unwrap("a file", &back).expect("found").as_bytes(), &[9; 32]);
    }
}
