//! One connection, from accept to close.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::BytesMut;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::sleep,
};

use super::{
    Server,
    answer::answer,
    ciphertext::Ciphertext,
    registry::{Connection, Held, Phase},
    wire::Wire,
};

pub(super) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// At shutdown, a connection that was just accepted has so long for its first byte to be seen.
const FIRST_BYTE_GRACE: Duration = Duration::from_millis(250);
/// At shutdown, an HTTP/2 client without streams has so long to say that it is gone.
const GOAWAY_GRACE: Duration = Duration::from_secs(1);

/// What a connection holds, whatever it does: its task, hyper's buffers, and what the registry knows of it.
const CONNECTION: usize = 24 * 1024;
/// With HTTP/2: larger buffers, tables of headers, streams that were reset a moment ago.
const HTTP2: usize = 32 * 1024;
/// A session of TLS.
const TLS: usize = 8 * 1024;

/// Serves one connection. Whatever goes wrong on it concerns its client only.
pub(super) async fn run(
    server: Arc<Server>,
    connection: Arc<Connection>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let mut held = Held::new(&connection);
    let service = async {
        stream.set_nodelay(true)?;
        if let Some(tls) = &server.settings.tls {
            held.set(CONNECTION + TLS);
            let stream = tls.accept(Ciphertext::new(stream, &connection)).await?;
            serve(&server, &connection, &mut held, stream, peer).await
        } else {
            held.set(CONNECTION);
            serve(&server, &connection, &mut held, stream, peer).await
        }
    };
    tokio::select! {
        biased;
        outcome = service => if let Err(error) = outcome {
            tracing::debug!(%error, %peer, "connection ended");
        },
        () = connection.told_to_end() => tracing::debug!(%peer, "connection cut"),
    }
    drop(held);
    server.registry.leave(&connection);
    drop(permit);
}

async fn serve<IO>(
    server: &Arc<Server>,
    connection: &Arc<Connection>,
    held: &mut Held,
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
        held.set(held.bytes() - CONNECTION + HTTP2);
        let wire = TokioIo::new(Wire::transparent(io, read, connection));
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
    let wire = TokioIo::new(Wire::vetting(io, read, connection));
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
