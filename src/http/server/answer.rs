//! One request: from its head to the last byte of its answer, and what it holds meanwhile.
//!
//! Until all of it is here, a request is a small future: an open stream of HTTP/2 costs no more than that and its head.

use std::{
    convert::Infallible,
    io::IoSlice,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, HttpBody},
};
use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Frame, Incoming, SizeHint};

use super::{
    MAX_HEADERS, OVERLOADED, Overloaded, PeerAddr, Refused, Server,
    registry::{Connection, InFlight},
};

/// A stream in h2, its task, its future and its head without headers.
const STREAM: usize = 4 * 1024;
/// A header beside the bytes of its name and its value.
const HEADER: usize = 128;

/// Called as soon as the head is here, on the connection's own task: heads that are refused are let go of at once.
pub(super) fn answer(
    server: &Arc<Server>,
    connection: &Arc<Connection>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Tracked>, Infallible>> + Send + use<> {
    let (number, in_flight) = connection.begin(!request.body().is_end_stream());
    let asks_to_close = request.version() < Version::HTTP_2;
    let refused = connection
        .refusal_of(number)
        .or_else(|| refusal(&request, &in_flight));
    let mut request = match refused {
        Some(refused) => stand_in(&request, refused),
        None if request.body().is_end_stream() => request.map(|_| Body::empty()),
        None => {
            let in_flight = Arc::clone(&in_flight);
            request.map(|body| Body::new(Metered { body, in_flight }))
        }
    };
    request.extensions_mut().insert(PeerAddr(peer));
    let receiving = server.router.clone().receive(request);
    let server = Arc::clone(server);
    async move {
        let mut received = receiving.await;
        if received.is_admitted() && !in_flight.begin_work() {
            received = received.refuse(OVERLOADED);
        }
        let mut response = Box::pin(received.answer()).await;
        in_flight.answered();
        if asks_to_close && server.stopping.load(Ordering::Relaxed) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Tracked { body, in_flight }))
    }
}

/// A head with thousands of fields is a few hundred bytes in HTTP/2, and hundreds of thousands here.
fn refusal(request: &Request<Incoming>, in_flight: &InFlight) -> Option<Refused> {
    let headers = request.headers();
    if headers.len() > MAX_HEADERS {
        return Some(Refused {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            reason: "there are too many headers",
        });
    }
    let bytes = |(name, value): (&http::HeaderName, &HeaderValue)| {
        HEADER + name.as_str().len() + value.len()
    };
    let head = STREAM + headers.iter().map(bytes).sum::<usize>();
    (!in_flight.grow(head)).then_some(OVERLOADED)
}

fn stand_in(request: &Request<Incoming>, refused: Refused) -> Request<Body> {
    let mut stand_in = Request::new(Body::empty());
    *stand_in.version_mut() = request.version();
    stand_in.extensions_mut().insert(refused);
    stand_in
}

/// A request's body, whose bytes count as held until the request ends.
struct Metered {
    body: Incoming,
    in_flight: Arc<InFlight>,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            self.in_flight.waits();
            return Poll::Pending;
        };
        self.in_flight.works();
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        };
        // Whoever collects a body copies it into a buffer that doubles.
        let bytes = frame.data_ref().map_or(0, |data| 2 * data.len());
        if self.in_flight.grow(bytes) {
            Poll::Ready(Some(Ok(frame)))
        } else {
            Poll::Ready(Some(Err(Overloaded.into())))
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body. When nothing of it is there we are at work on it; else it waits for its client.
pub(super) struct Tracked {
    body: Body,
    in_flight: Arc<InFlight>,
}

impl HttpBody for Tracked {
    type Data = Unread;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Unread>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            self.in_flight.works();
            return Poll::Pending;
        };
        self.in_flight.waits();
        let unread = |bytes: Bytes| {
            // What is made is sent, whatever it takes: others make room.
            self.in_flight.grow(bytes.len());
            Unread {
                held: bytes.len(),
                bytes,
                in_flight: Arc::clone(&self.in_flight),
            }
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(unread))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of an answer that its client has not taken yet: the request is in flight until the socket has them all.
pub(super) struct Unread {
    bytes: Bytes,
    held: usize,
    in_flight: Arc<InFlight>,
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.in_flight.shrink(self.held);
    }
}

impl Buf for Unread {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(into)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.bytes.copy_to_bytes(count)
    }
}
