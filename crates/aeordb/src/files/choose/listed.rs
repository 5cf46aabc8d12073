//! A list of what is to be put: paths of a tree, each with everything that is below it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};

/// What of a directory is listed.
#[derive(Clone, Default, Debug)]
pub struct Listed(Arc<Node>);

#[derive(Clone, Default, Debug)]
struct Node {
    /// With everything that is in it.
    whole: bool,
    names: BTreeMap<Vec<u8>, Arc<Node>>,
}

impl Listed {
    /// These paths, from the top of a tree. What is empty says nothing.
    pub fn new<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut top = Node::default();
        for path in paths {
            let path = path.as_ref();
            if path.is_empty() {
                continue;
            }
            let mut node = &mut top;
            for name in path.split(|byte| *byte == b'/') {
                match name {
                    b"" | b"." => {}
                    b".." => {
                        let path = String::from_utf8_lossy(path);
                        let why = "leads out of what it is in: name it without ..";
                        return Err(Error::invalid(format!("the listed path '{path}' {why}")));
                    }
                    name => node = Arc::make_mut(node.names.entry(name.to_vec()).or_default()),
                }
            }
            node.whole = true;
        }
        Ok(Listed(Arc::new(top)))
    }

    /// What of a directory in it is listed; `None` if that is all.
    pub fn enter(&self, name: &[u8]) -> Option<Listed> {
        self.0.names.get(name).filter(|node| !node.whole).cloned().map(Listed)
    }

    /// `None` if all is listed.
    pub fn unless_whole(&self) -> Option<Listed> {
        (!self.0.whole).then(|| self.clone())
    }

    /// Whether something is listed, or on the way to something that is.
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.names.contains_key(name)
    }

    /// Whether something is listed with everything that is in it.
    pub fn has_whole(&self, name: &[u8]) -> bool {
        self.0.names.get(name).is_some_and(|node| node.whole)
    }

    /// What is listed, in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.names.keys().map(Vec::as_slice)
    }
}
