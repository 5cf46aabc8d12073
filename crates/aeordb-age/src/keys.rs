//! Keys as people have them: Bech32 of age, lines and files of SSH.

use bech32::Hrp;
use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::{BASE64, BASE64_NOPAD};
use ring::digest;

use crate::age::{Identity, Recipient};

const ED25519: &[u8] = b"ssh-ed25519";

/// The 32 bytes behind `prefix` of a key of age.
fn bech32_of(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let (found, bytes) = bech32::decode(text).ok()?;
    (found == Hrp::parse(prefix).ok()?).then_some(())?;
    bytes.try_into().ok()
}

/// `age1…`
pub fn age_recipient(text: &str) -> Option<Recipient> {
    bech32_of(text, "age").map(Recipient::X25519)
}

/// `AGE-SECRET-KEY-1…`
pub fn age_identity(text: &str) -> Option<Identity> {
    bech32_of(text, "age-secret-key-").map(Identity::X25519)
}

/// The next string of what SSH writes, and the rest.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// The public key that travels as `wire`.
fn public_of(wire: &[u8]) -> Option<[u8; 32]> {
    let (kind, rest) = string(wire)?;
    let (key, rest) = string(rest)?;
    (kind == ED25519 && rest.is_empty()).then_some(())?;
    key.try_into().ok()
}

/// `ssh-ed25519 AAAA… [comment]`
pub fn ssh_recipient(text: &str) -> Option<Recipient> {
    let mut words = text.split_whitespace();
    (words.next()?.as_bytes() == ED25519).then_some(())?;
    let wire = BASE64.decode(words.next()?.as_bytes()).ok()?;
    // A point of small order agrees on the same with everybody.
    let point = CompressedEdwardsY(public_of(&wire)?).decompress()?;
    (!point.is_small_order()).then_some(())?;
    Some(Recipient::Ssh { point: point.to_montgomery().to_bytes(), wire })
}

/// Why a file of SSH is no identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoIdentity {
    /// It takes a passphrase to open.
    Protected,
    /// It is of another sort, or none at all.
    Unknown,
}

/// `-----BEGIN OPENSSH PRIVATE KEY-----`
pub fn ssh_identity(text: &str) -> Result<Identity, NoIdentity> {
    let lines =
        text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN OPENSSH"));
    let body: String = lines.skip(1).take_while(|line| !line.starts_with("-----END")).collect();
    let bytes = BASE64_NOPAD.decode(body.trim_end_matches('=').as_bytes());
    let bytes = bytes.map_err(|_| NoIdentity::Unknown)?;
    let rest = bytes.strip_prefix(b"openssh-key-v1\0").ok_or(NoIdentity::Unknown)?;
    let (cipher, rest) = string(rest).ok_or(NoIdentity::Unknown)?;
    match cipher {
        b"none" => secret_of(rest).ok_or(NoIdentity::Unknown),
        _ => Err(NoIdentity::Protected),
    }
}

/// The secret key behind the name of a cipher that is none.
fn secret_of(bytes: &[u8]) -> Option<Identity> {
    let (_derivation, rest) = string(bytes)?;
    let (_options, rest) = string(rest)?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    (u32::from_be_bytes(*count) == 1).then_some(())?;
    let (wire, rest) = string(rest)?;
    let (private, _) = string(rest)?;
    let (checks, rest) = private.split_first_chunk::<8>()?;
    let (first, second) = checks.split_at(4);
    (first == second).then_some(())?;
    let (kind, rest) = string(rest)?;
    let (public, rest) = string(rest)?;
    let (pair, _comment) = string(rest)?;
    let (seed, again) = pair.split_first_chunk::<32>()?;
    (kind == ED25519 && again == public && public_of(wire)? == public).then_some(())?;
    let hash = digest::digest(&digest::SHA512, seed);
    let secret = *hash.as_ref().first_chunk::<32>()?;
    Some(Identity::Ssh { wire: wire.to_vec(), secret })
}
