//! Paths as callers have them.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::object::Path;

/// A path in a tree, or text that is read as one: `"/notes/a.txt"` may stand wherever a [`Path`] may.
pub trait AsPath {
    /// The path; [`Error::Invalid`] if the text cannot be one.
    fn as_path(&self) -> Result<Cow<'_, Path>>;
}

impl AsPath for Path {
    fn as_path(&self) -> Result<Cow<'_, Path>> {
        Ok(Cow::Borrowed(self))
    }
}

impl AsPath for str {
    fn as_path(&self) -> Result<Cow<'_, Path>> {
        Ok(Cow::Owned(self.parse()?))
    }
}

impl AsPath for String {
    fn as_path(&self) -> Result<Cow<'_, Path>> {
        self.as_str().as_path()
    }
}

impl<P: AsPath + ?Sized> AsPath for &P {
    fn as_path(&self) -> Result<Cow<'_, Path>> {
        (**self).as_path()
    }
}

impl TryFrom<&str> for Path {
    type Error = Error;

    fn try_from(text: &str) -> Result<Path> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: impl AsPath) -> Result<String> {
        Ok(path.as_path()?.to_string())
    }

    #[test]
    fn a_path_and_text_stand_for_the_same_place() {
        let path = Path::try_from("/a/b").unwrap();
        for shown in [shown(&path), shown("a/b/"), shown("/a/b".to_string()), shown(path.clone())] {
            assert_eq!(shown.unwrap(), "/a/b");
        }
        assert!(matches!(path.as_path(), Ok(Cow::Borrowed(_))));
        assert!(matches!(shown("/a/../b"), Err(Error::Invalid(_))));
    }
}
