//! One connection, from accept to close.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::sleep,
};

use super::{
    PeerAddr, Server,
    registry::{Connection, InFlight, Phase},
    wire::Wire,
};

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// At shutdown, a connection that was just accepted has so long for its first byte to be seen.
const FIRST_BYTE_GRACE: Duration = Duration::from_millis(250);
/// At shutdown, an HTTP/2 client without streams has so long to say that it is gone.
const GOAWAY_GRACE: Duration = Duration::from_secs(1);

/// Serves one connection. Whatever goes wrong on it concerns its client only.
pub(super) async fn run(
    server: Arc<Server>,
    connection: Arc<Connection>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let service = async {
        stream.set_nodelay(true)?;
        match &server.settings.tls {
            Some(tls) => serve(&server, &connection, tls.accept(stream).await?, peer).await,
            None => serve(&server, &connection, stream, peer).await,
        }
    };
    tokio::select! {
        biased;
        outcome = service => if let Err(error) = outcome {
            tracing::debug!(%error, %peer, "connection ended");
        },
        () = connection.told_to_end() => tracing::debug!(%peer, "connection cut"),
    }
    server.registry.leave(&connection);
    drop(permit);
}

async fn serve<IO>(
    server: &Arc<Server>,
    connection: &Arc<Connection>,
    mut io: IO,
    peer: SocketAddr,
) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(read) = first_bytes(connection, &mut io).await? else {
        return Ok(());
    };
    let service = {
        let (server, connection) = (Arc::clone(server), Arc::clone(connection));
        service_fn(move |request| answer(&server, &connection, peer, request))
    };
    if read.starts_with(HTTP2_PREFACE) {
        let wire = TokioIo::new(Wire::transparent(io, read));
        let mut http = pin!(server.http2.serve_connection(wire, service));
        tokio::select! {
            biased;
            ended = &mut http => return ended.map_err(io::Error::other),
            () = connection.told_to_close() => http.as_mut().graceful_shutdown(),
        }
        loop {
            tokio::select! {
                biased;
                ended = &mut http => return ended.map_err(io::Error::other),
                () = sleep(GOAWAY_GRACE) => if connection.in_flight() == 0 {
                    return Ok(());
                },
            }
        }
    }
    let wire = TokioIo::new(Wire::vetting(io, read, Arc::clone(connection)));
    let mut http = pin!(server.http1.serve_connection(wire, service));
    tokio::select! {
        biased;
        ended = &mut http => return ended.map_err(io::Error::other),
        () = connection.told_to_close() => {}
    }
    // Half a head is on its way: hyper would take the connection for idle. The answer will ask to close.
    if !matches!(connection.phase(), Phase::Opening | Phase::Head) {
        http.as_mut().graceful_shutdown();
    }
    http.await.map_err(io::Error::other)
}

/// Reads until it is clear whether the client speaks HTTP/2. `None` if it goes, or, before it said anything, if we do.
async fn first_bytes(
    connection: &Connection,
    io: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<BytesMut>> {
    let mut read = BytesMut::new();
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        let count = tokio::select! {
            biased;
            count = io.read_buf(&mut read) => count?,
            () = closing(connection), if read.is_empty() => 0,
        };
        if count == 0 {
            return Ok(None);
        }
    }
    Ok(Some(read))
}

async fn closing(connection: &Connection) {
    connection.told_to_close().await;
    sleep(FIRST_BYTE_GRACE).await;
}

fn answer(
    server: &Arc<Server>,
    connection: &Arc<Connection>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Tracked>, Infallible>> + Send + use<> {
    let (number, in_flight) = connection.begin();
    let asks_to_close = request.version() < Version::HTTP_2;
    if let Some(refused) = connection.refusal_of(number) {
        request.extensions_mut().insert(refused);
    }
    request.extensions_mut().insert(PeerAddr(peer));
    let answer = server.router.clone().answer(request.map(Body::new));
    let server = Arc::clone(server);
    async move {
        let mut response = answer.await;
        if asks_to_close && server.stopping.load(Ordering::Relaxed) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Tracked {
            body,
            _in_flight: in_flight,
        }))
    }
}

/// A body that keeps its request in flight until hyper has taken all of it.
struct Tracked {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
