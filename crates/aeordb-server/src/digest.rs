//! `Content-Digest` (RFC 9530): what a sender says that its body hashes to.

use axum::http::HeaderValue;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// The SHA-256 that a body was sent with, and that of what came so far.
pub struct ContentDigest {
    expected: Vec<u8>,
    hash: Sha256,
}

impl ContentDigest {
    /// What the header says: `sha-256=:BASE64:`. `None` without it; digests that we do not know
    /// are passed over.
    pub fn read(value: Option<&HeaderValue>) -> Result<Option<Self>, Problem> {
        let Some(value) = value else { return Ok(None) };
        let bad = || Problem::invalid("expected Content-Digest: sha-256=:BASE64:");
        for part in value.to_str().map_err(|_| bad())?.split(',') {
            let (name, digest) = part.trim().split_once('=').ok_or_else(bad)?;
            if name.eq_ignore_ascii_case("sha-256") {
                let digest = digest.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
                let expected = BASE64.decode(digest.ok_or_else(bad)?.as_bytes());
                let (expected, hash) = (expected.map_err(|_| bad())?, Sha256::new());
                return Ok(Some(ContentDigest { expected, hash }));
            }
        }
        Ok(None)
    }

    /// More of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Refuses the body, now that all of it came, if it is not what was sent.
    pub fn check(self) -> Result<(), Problem> {
        if self.hash.finalize().as_slice() == self.expected {
            return Ok(());
        }
        Err(Problem::damaged_upload("the body does not have the SHA-256 it was sent with"))
    }
}
