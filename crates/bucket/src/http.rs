//! Requests over connections that are kept.

use crate::failure::LinkError;
use crate::link::Dialer;
use crate::pace::{Counted, Paced, STILL_LIMIT, stood_still};
use async_trait::async_trait;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that nobody used for so long is closed: servers do the same, and a request over a dying one fails.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// Connections that are kept.
const MOST_IDLE: usize = 16;
/// How often it is looked whether something moves.
const LOOK: Duration = Duration::from_millis(500);

/// Makes the one client that all requests of a place share.
#[derive(Debug, Default)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(Dialer::default());
        Ok(HttpClient::new(Requests(client)))
    }
}

#[derive(Debug)]
struct Requests(Client<Dialer, Counted>);

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let frames = Arc::new(AtomicU64::new(0));
        let request = request.map(|body| Counted { body, frames: frames.clone() });
        let mut answer = pin!(self.0.request(request));
        let (mut seen, mut moved) = (0, Instant::now());
        let answer = loop {
            match tokio::time::timeout(LOOK, &mut answer).await {
                Ok(answer) => break answer.map_err(failed)?,
                Err(_) => {
                    let now = frames.load(Ordering::Relaxed);
                    if now != seen {
                        (seen, moved) = (now, Instant::now());
                    } else if moved.elapsed() >= STILL_LIMIT {
                        return Err(stood_still());
                    }
                }
            }
        };
        Ok(answer.map(|body| HttpResponseBody::new(Paced::new(body))))
    }
}

/// Whatever happened on the way, the same request may be sent again.
fn failed(error: Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, LinkError::of(&error))
}
