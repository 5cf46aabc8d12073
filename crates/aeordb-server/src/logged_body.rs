//! Bodies of answers that say in the log who did not get all of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::Value;

use crate::log;
use crate::request::Caller;

/// Bodies up to this are in memory already: nothing can go wrong with them here.
const SMALL_LEN: u64 = 16 * 1024;

/// A body that is sent.
pub struct LoggedBody {
    body: Body,
    caller: Arc<Caller>,
    sent: u64,
    /// The client that goes away is worth a line.
    told: bool,
    ended: bool,
}

impl LoggedBody {
    /// Sends `body` to `caller`.
    pub fn body(body: Body, caller: Arc<Caller>, told: bool) -> Body {
        // Of an answer to HEAD nothing is sent, so nothing of it can be missing.
        let is_head = caller.method == Method::HEAD;
        if is_head || body.size_hint().exact().is_some_and(|len| len <= SMALL_LEN) {
            return body;
        }
        Body::new(LoggedBody { body, caller, sent: 0, told, ended: false })
    }

    fn aborted(&self, detail: Value) {
        let what = [("sent", self.sent.into()), ("detail", detail)];
        log::event("aborted", &[&self.caller.members()[..], &what].concat());
    }
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(error)) => {
                self.ended = true;
                self.aborted(error.to_string().into());
            }
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        if self.told && !self.ended && !self.body.is_end_stream() {
            self.aborted("the client went away".into());
        }
    }
}
