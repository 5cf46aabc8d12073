//! Files of age with one key in them: its format, version 1, as <https://age-encryption.org/v1> has it. The
//! cryptography is that of ring, curve25519-dalek and scrypt; here stands what goes through it.

use aeordb::internals::random;
use curve25519_dalek::MontgomeryPoint;
use data_encoding::BASE64_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};

/// What a file begins with.
const VERSION: &str = "age-encryption.org/v1";
/// What keys are derived under for each sort of recipient.
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const SSH_INFO: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
const SCRYPT_SALT: &[u8] = b"age-encryption.org/v1/scrypt";
/// Bytes of the key that recipients find in the head.
const KEY_LEN: usize = 16;
/// Bytes of a salt, and of a tag.
const SALT_LEN: usize = 16;
const TAG_LEN: usize = 16;
/// Most recipients of one file.
const STANZAS_MAX: usize = 1024;
/// Columns after which the body of a stanza goes on in the next line.
const COLUMNS: usize = 64;

/// Why something did not come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// These bytes are no file of age, or one that was changed.
    Malformed,
    /// It is of a version that is not known here.
    Newer,
    /// It is for others.
    ForOthers,
    /// Its passphrase would take more memory than is given for that.
    TooCostly,
    /// The system has no random bytes, or something is wrong with the key of a recipient.
    Unusable,
}

type Result<T> = std::result::Result<T, Failed>;

/// Somebody who may read a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// A key of age.
    X25519([u8; 32]),
    /// A key of SSH, as it travels, and as a point of the curve that keys are agreed on.
    Ssh { wire: Vec<u8>, point: [u8; 32] },
    /// Whoever knows this passphrase; and the logarithm of what it costs to try one.
    Passphrase(Vec<u8>, u8),
}

/// Somebody who reads a file.
pub enum Identity {
    /// A secret key of age.
    X25519([u8; 32]),
    /// A secret key of SSH: its public key as it travels, and the secret number.
    Ssh { wire: Vec<u8>, secret: [u8; 32] },
    /// A passphrase, and the logarithm of the most that trying it may cost.
    Passphrase(Vec<u8>, u8),
}

fn random<const N: usize>() -> Result<[u8; N]> {
    random::bytes().map_err(|_| Failed::Unusable)
}

fn derived(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = extracted.expand(&[info], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
    filled.map_err(|_| Failed::Unusable)?;
    Ok(key)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| Failed::Unusable)?;
    Ok(LessSafeKey::new(key))
}

/// Encrypts what a key is used for once, with its tag at the end.
fn sealed(key: &[u8; 32], nonce: [u8; 12], plain: &[u8]) -> Result<Vec<u8>> {
    let (mut bytes, nonce) = (plain.to_vec(), Nonce::assume_unique_for_key(nonce));
    let done = cipher(key)?.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes);
    done.map_err(|_| Failed::Unusable)?;
    Ok(bytes)
}

fn opened(key: &[u8; 32], nonce: [u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, nonce) = (sealed.to_vec(), Nonce::assume_unique_for_key(nonce));
    let plain = cipher(key).ok()?.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
    bytes.truncate(plain);
    Some(bytes)
}

/// What two keys agree on. A point that gives zero, whatever the secret, is none of a key.
fn agreed(secret: [u8; 32], point: [u8; 32]) -> Result<[u8; 32]> {
    match MontgomeryPoint(point).mul_clamped(secret).to_bytes() {
        [0, rest @ ..] if rest == [0; 31] => Err(Failed::Unusable),
        agreed => Ok(agreed),
    }
}

/// The public point of a secret number.
pub fn public(secret: [u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(secret).to_bytes()
}

/// The key that a share of a sender and a point of a recipient come to.
fn wrapping(agreed: &[u8], share: &[u8; 32], point: &[u8; 32], info: &[u8]) -> Result<[u8; 32]> {
    derived(agreed, &[*share, *point].concat(), info)
}

fn scrypt(passphrase: &[u8], salt: &[u8], cost: u8) -> Result<[u8; 32]> {
    let params = scrypt::Params::new(cost, 8, 1).map_err(|_| Failed::Malformed)?;
    let mut key = [0; 32];
    let salt = [SCRYPT_SALT, salt].concat();
    scrypt::scrypt(passphrase, &salt, &params, &mut key).map_err(|_| Failed::Unusable)?;
    Ok(key)
}

/// Four bytes that tell a key of SSH.
fn mark(wire: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, wire);
    BASE64_NOPAD.encode(hash.as_ref().get(..4).unwrap_or_default())
}

impl Recipient {
    /// What the head has for them.
    fn stanza(&self, key: &[u8]) -> Result<Stanza> {
        let base64 = |bytes: &[u8]| BASE64_NOPAD.encode(bytes);
        let secret = random()?;
        let share = public(secret);
        let (words, wrapping_key) = match self {
            Recipient::X25519(point) => {
                let key = wrapping(&agreed(secret, *point)?, &share, point, X25519_INFO)?;
                (vec!["X25519".into(), base64(&share)], key)
            }
            Recipient::Ssh { wire, point } => {
                let tweaked = agreed(derived(&[], wire, SSH_INFO)?, agreed(secret, *point)?)?;
                let key = wrapping(&tweaked, &share, point, SSH_INFO)?;
                (vec!["ssh-ed25519".into(), mark(wire), base64(&share)], key)
            }
            Recipient::Passphrase(passphrase, cost) => {
                let salt: [u8; SALT_LEN] = random()?;
                let words = vec!["scrypt".into(), base64(&salt), cost.to_string()];
                (words, scrypt(passphrase, &salt, *cost)?)
            }
        };
        Ok(Stanza { words, body: sealed(&wrapping_key, [0; 12], key)? })
    }
}

impl Identity {
    /// The key that a stanza has for this identity; `None` if it is for others.
    fn key(&self, stanza: &Stanza) -> Result<Option<Vec<u8>>> {
        let words: Vec<&str> = stanza.words.iter().map(String::as_str).collect();
        let share = |text: &str| -> Result<[u8; 32]> {
            let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| Failed::Malformed)?;
            bytes.try_into().map_err(|_| Failed::Malformed)
        };
        // What is longer than a key might open under several.
        let fits = stanza.body.len() == KEY_LEN + TAG_LEN;
        let wrapping_key = match (self, words.as_slice()) {
            (Identity::X25519(secret), ["X25519", text]) => {
                let share = share(text)?;
                let agreed = agreed(*secret, share).map_err(|_| Failed::Malformed)?;
                wrapping(&agreed, &share, &public(*secret), X25519_INFO)?
            }
            (Identity::Ssh { wire, secret }, ["ssh-ed25519", whose, text])
                if *whose == mark(wire) =>
            {
                let (share, tweak) = (share(text)?, derived(&[], wire, SSH_INFO)?);
                let tweaked = agreed(*secret, share).and_then(|agreed_| agreed(tweak, agreed_));
                let tweaked = tweaked.map_err(|_| Failed::Malformed)?;
                wrapping(&tweaked, &share, &public(*secret), SSH_INFO)?
            }
            (Identity::Passphrase(passphrase, most), ["scrypt", salt, cost]) => {
                let salt = BASE64_NOPAD.decode(salt.as_bytes()).map_err(|_| Failed::Malformed)?;
                let cost: u8 = cost.parse().map_err(|_| Failed::Malformed)?;
                if salt.len() != SALT_LEN || cost == 0 || !fits {
                    return Err(Failed::Malformed);
                }
                if cost > *most {
                    return Err(Failed::TooCostly);
                }
                scrypt(passphrase, &salt, cost)?
            }
            _ => return Ok(None),
        };
        match fits {
            true => Ok(opened(&wrapping_key, [0; 12], &stanza.body)),
            false => Err(Failed::Malformed),
        }
    }
}

/// What a head has for one recipient.
struct Stanza {
    words: Vec<String>,
    body: Vec<u8>,
}

/// A file of age that was taken apart.
pub struct Sealed<'f> {
    stanzas: Vec<Stanza>,
    /// The head as far as its check covers it, the check, and what follows.
    head: &'f [u8],
    check: Vec<u8>,
    payload: &'f [u8],
}

impl<'f> Sealed<'f> {
    /// Reads the head of a file.
    pub fn parse(file: &'f [u8]) -> Result<Self> {
        let mut at = 0;
        let mut line = || -> Result<(usize, &'f str)> {
            let start = at;
            let rest = file.get(start..).unwrap_or_default();
            let len = rest.iter().position(|byte| *byte == b'\n').ok_or(Failed::Malformed)?;
            at = start + len + 1;
            let text = rest.get(..len).and_then(|line| std::str::from_utf8(line).ok());
            Ok((start, text.ok_or(Failed::Malformed)?))
        };
        match line()?.1 {
            VERSION => {}
            other if other.starts_with("age-encryption.org/") => return Err(Failed::Newer),
            _ => return Err(Failed::Malformed),
        }
        let mut stanzas = Vec::new();
        loop {
            let (start, text) = line()?;
            if let Some(check) = text.strip_prefix("--- ") {
                let check = BASE64_NOPAD.decode(check.as_bytes()).map_err(|_| Failed::Malformed)?;
                let head = file.get(..start + 3).unwrap_or_default();
                let payload = file.get(at..).unwrap_or_default();
                return Ok(Sealed { stanzas, head, check, payload });
            }
            let words = text.strip_prefix("-> ").ok_or(Failed::Malformed)?;
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            if words.iter().any(String::is_empty) || stanzas.len() == STANZAS_MAX {
                return Err(Failed::Malformed);
            }
            let mut body = Vec::new();
            loop {
                let (_, text) = line()?;
                if text.len() > COLUMNS {
                    return Err(Failed::Malformed);
                }
                let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| Failed::Malformed)?;
                body.extend_from_slice(&bytes);
                if text.len() < COLUMNS {
                    break;
                }
            }
            stanzas.push(Stanza { words, body });
        }
    }

    /// True if it is for whoever knows a passphrase.
    pub fn is_by_passphrase(&self) -> bool {
        self.stanzas.iter().any(|one| one.words.first().is_some_and(|word| word == "scrypt"))
    }

    /// What it holds, if it is for one of these.
    pub fn open<'i>(&self, identities: impl IntoIterator<Item = &'i Identity>) -> Result<Vec<u8>> {
        // Whoever knows a passphrase must not be told that somebody else wrote what they read.
        if self.is_by_passphrase() && self.stanzas.len() != 1 {
            return Err(Failed::Malformed);
        }
        for identity in identities {
            for stanza in &self.stanzas {
                if let Some(key) = identity.key(stanza)? {
                    return self.open_with(&key);
                }
            }
        }
        Err(Failed::ForOthers)
    }

    fn open_with(&self, key: &[u8]) -> Result<Vec<u8>> {
        let check = hmac::Key::new(hmac::HMAC_SHA256, &derived(key, &[], b"header")?);
        hmac::verify(&check, self.head, &self.check).map_err(|_| Failed::Malformed)?;
        let (salt, sealed) =
            self.payload.split_first_chunk::<SALT_LEN>().ok_or(Failed::Malformed)?;
        let key = derived(key, salt, b"payload")?;
        opened(&key, LAST, sealed).ok_or(Failed::Malformed)
    }
}

/// The nonce of a piece that is the first and the last.
const LAST: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// A file of age that holds `plain`, at most 64 KiB of it, for each of the recipients.
pub fn seal(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>> {
    let key: [u8; KEY_LEN] = random()?;
    let mut head = format!("{VERSION}\n");
    for recipient in recipients {
        let Stanza { words, body } = recipient.stanza(&key)?;
        head += &format!("-> {}\n{}\n", words.join(" "), BASE64_NOPAD.encode(&body));
    }
    head += "---";
    let check = hmac::Key::new(hmac::HMAC_SHA256, &derived(&key, &[], b"header")?);
    let check = hmac::sign(&check, head.as_bytes());
    let salt: [u8; SALT_LEN] = random()?;
    let mut file = format!("{head} {}\n", BASE64_NOPAD.encode(check.as_ref())).into_bytes();
    file.extend_from_slice(&salt);
    file.extend_from_slice(&sealed(&derived(&key, &salt, b"payload")?, LAST, plain)?);
    Ok(file)
}
