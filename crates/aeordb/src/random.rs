//! Random bytes, from the operating system alone: numbers that nobody else has, and secrets.

use crate::error::{Context, Result};

/// `LEN` bytes that cannot be foreseen.
pub fn bytes<const LEN: usize>() -> Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)
        .map_err(std::io::Error::from)
        .context(|| "asking for random bytes".into())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_are_not_the_same() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}
