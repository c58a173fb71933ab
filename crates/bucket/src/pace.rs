//! Bodies of requests and answers that are watched: one that stands still is given up, one that is slow is not.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use object_store::client::{HttpError, HttpErrorKind, HttpRequestBody};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

use crate::failure::LinkError;

/// How long nothing may move before a request counts as failed.
pub(crate) const STILL_LIMIT: Duration = Duration::from_secs(4);

/// What is said then.
pub(crate) fn stood_still() -> HttpError {
    let text = format!("nothing moved for {} s", STILL_LIMIT.as_secs());
    HttpError::new(HttpErrorKind::Timeout, LinkError::new(text))
}

/// A request's body, which counts what of it went out.
pub(crate) struct Counted {
    pub(crate) body: HttpRequestBody,
    pub(crate) frames: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        this.frames.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: fails when nothing comes for long.
pub(crate) struct Paced {
    body: hyper::body::Incoming,
    limit: Pin<Box<Sleep>>,
}

impl Paced {
    pub(crate) fn new(body: hyper::body::Incoming) -> Self {
        Self { body, limit: Box::pin(sleep(STILL_LIMIT)) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.limit.as_mut().reset(Instant::now() + STILL_LIMIT);
                let cut = |error: hyper::Error| {
                    HttpError::new(HttpErrorKind::Interrupted, LinkError::new(format!("the answer was cut: {error}")))
                };
                Poll::Ready(frame.map(|frame| frame.map_err(cut)))
            }
            Poll::Pending => this.limit.as_mut().poll(context).map(|()| Some(Err(stood_still()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
