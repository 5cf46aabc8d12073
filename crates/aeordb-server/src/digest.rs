//! What a sender says that its body hashes to: `Content-Digest` and `Repr-Digest` (RFC 9530), which
//! mean the same of a body that is not coded, and what came before them.

use axum::http::header::TRAILER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use data_encoding::BASE64;
use sha2::digest::DynDigest;

use crate::problem::Problem;

/// A hash that senders use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
    Md5,
}

/// Headers of digests: what each names its algorithms, and what stands around a digest.
type Form = (&'static str, &'static [(&'static str, Algorithm)], &'static str);

const BOTH: &[(&str, Algorithm)] =
    &[("sha-256", Algorithm::Sha256), ("sha-512", Algorithm::Sha512)];
const FORMS: [Form; 4] = [
    ("content-digest", BOTH, ":"),
    ("repr-digest", BOTH, ":"),
    ("digest", BOTH, ""),
    ("content-md5", &[("", Algorithm::Md5)], ""),
];

/// The digests that a body was sent with, and those of what came so far.
#[derive(Default)]
pub struct Digests {
    expected: Vec<(Algorithm, Vec<u8>)>,
    found: Vec<(Algorithm, Box<dyn DynDigest + Send>)>,
}

impl Digests {
    /// Those that the headers say, or announce for behind the body. One that cannot be checked is
    /// refused: it must not look as if it was right.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut digests = Digests { expected: expected(headers)?, found: Vec::new() };
        let named = digests.expected.iter().map(|(algorithm, _)| *algorithm);
        let announced = FORMS.iter().filter(|(name, ..)| announces(headers, name));
        let announced = announced.flat_map(|(_, algorithms, _)| *algorithms);
        let mut wanted: Vec<Algorithm> = named.collect();
        wanted.extend(announced.map(|(_, algorithm)| algorithm));
        for algorithm in wanted {
            if digests.found.iter().all(|(other, _)| *other != algorithm) {
                digests.found.push((algorithm, algorithm.begin()));
            }
        }
        Ok(digests)
    }

    /// More of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.found.iter_mut().for_each(|(_, hash)| hash.update(bytes));
    }

    /// Those that came behind the body.
    pub fn take_trailers(&mut self, trailers: &HeaderMap) -> Result<(), Problem> {
        for (algorithm, digest) in expected(trailers)? {
            if self.found.iter().all(|(other, _)| *other != algorithm) {
                let detail = "a digest behind the body must be announced, in the header Trailer";
                return Err(Problem::invalid(detail));
            }
            self.expected.push((algorithm, digest));
        }
        Ok(())
    }

    /// Refuses the body, now that all of it came, if it is not what was sent.
    pub fn check(mut self) -> Result<(), Problem> {
        let mut found = Vec::new();
        for (algorithm, hash) in self.found.drain(..) {
            found.push((algorithm, hash.finalize()));
        }
        for (algorithm, digest) in self.expected {
            if !found.iter().any(|(other, hash)| *other == algorithm && **hash == *digest) {
                let name = algorithm.name();
                let detail = format!("the body does not have the {name} it was sent with");
                return Err(Problem::damaged_upload(detail));
            }
        }
        Ok(())
    }
}

impl Algorithm {
    fn begin(self) -> Box<dyn DynDigest + Send> {
        match self {
            Algorithm::Sha256 => Box::new(sha2::Sha256::default()),
            Algorithm::Sha512 => Box::new(sha2::Sha512::default()),
            Algorithm::Md5 => Box::new(md5::Md5::default()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::Md5 => "MD5",
        }
    }
}

/// The digests that headers or trailers say.
fn expected(headers: &HeaderMap) -> Result<Vec<(Algorithm, Vec<u8>)>, Problem> {
    let mut all = Vec::new();
    for form in &FORMS {
        let (name, algorithms, fence) = form;
        let mut found = Vec::new();
        for value in headers.get_all(HeaderName::from_static(name)) {
            let text = value.to_str().map_err(|_| bad(form))?;
            for part in text.split(',').map(str::trim) {
                // A digest in Base64 may end in an equals sign, a name has none.
                let (called, digest) = match algorithms {
                    [("", _)] => ("", part),
                    _ => part.split_once('=').ok_or_else(|| bad(form))?,
                };
                let known = algorithms.iter().find(|(name, _)| name.eq_ignore_ascii_case(called));
                let Some((_, algorithm)) = known else { continue };
                let inner = digest.strip_prefix(fence).and_then(|rest| rest.strip_suffix(fence));
                let decoded = BASE64.decode(inner.ok_or_else(|| bad(form))?.as_bytes());
                found.push((*algorithm, decoded.map_err(|_| bad(form))?));
            }
        }
        // Others beside one that is checked change nothing.
        if found.is_empty() && headers.contains_key(*name) {
            return Err(bad(form));
        }
        all.append(&mut found);
    }
    Ok(all)
}

fn bad((name, algorithms, fence): &Form) -> Problem {
    let one = |(called, _): &(&str, _)| match *called {
        "" => "BASE64".to_owned(),
        called => format!("{called}={fence}BASE64{fence}"),
    };
    let forms: Vec<String> = algorithms.iter().map(one).collect();
    Problem::invalid(format!("expected {name}: {}", forms.join(" or ")))
}

fn announces(headers: &HeaderMap, name: &str) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut values = headers.get_all(TRAILER).iter().map(text);
    values.any(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(name)))
}
