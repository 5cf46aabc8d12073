//! The hash of a whole sealed file, computed beside the thread that writes it, which is the one
//! that an export waits for.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;

/// Frames that may wait to be hashed.
const WAITING_MAX: usize = 4;

/// A hash over bytes that come in order.
pub enum ContentHash {
    /// A thread has the hasher and takes what is sent.
    Beside(SyncSender<Bytes>, JoinHandle<blake3::Hasher>),
    /// There was no thread to be had.
    Here(Box<blake3::Hasher>),
}

impl ContentHash {
    /// The hash of nothing yet.
    pub fn new() -> Self {
        let (sender, frames) = sync_channel::<Bytes>(WAITING_MAX);
        let hash = move || {
            let mut hasher = blake3::Hasher::new();
            for bytes in frames {
                hasher.update(&bytes);
            }
            hasher
        };
        match std::thread::Builder::new().name("content-hash".into()).spawn(hash) {
            Ok(thread) => ContentHash::Beside(sender, thread),
            Err(_) => ContentHash::Here(Box::default()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &Bytes) {
        match self {
            ContentHash::Beside(sender, _) => {
                // The thread takes everything for as long as there is a sender.
                let _ = sender.send(bytes.clone());
            }
            ContentHash::Here(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// What has hashed all bytes that were added.
    pub fn finish(self) -> blake3::Hasher {
        match self {
            ContentHash::Beside(sender, thread) => {
                drop(sender);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            ContentHash::Here(hasher) => *hasher,
        }
    }
}
