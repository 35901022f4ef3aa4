//! Listening, accepting, time limits, and the end on SIGINT or SIGTERM.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::patience::Patience;
use super::{Server, route};
use crate::failure::Failure;

/// Serves until a signal asks for the end, then finishes the requests that are being worked on.
pub async fn serve(server: Arc<Server>, address: SocketAddr, model: &str) -> Result<(), Failure> {
    let wrong = |error: io::Error| {
        Failure::input(format!("--listen: expected an address to listen at, found {address}: {error}"))
    };
    // Before the first line of output, so that whoever has read it can ask for the end.
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    {
        let mut out = io::stdout().lock();
        writeln!(out, "serving {model} on http://{bound}")?;
        out.flush()?;
    }
    if !bound.ip().is_loopback() {
        // Advice, no reason to stop.
        let _ = writeln!(
            io::stderr(),
            "bptt: {bound} can be reached from other machines, and this server asks nobody who they are: put a proxy \
             that does in front of it"
        );
    }
    let time = server.limits.time;
    let room = Arc::new(Semaphore::new(server.limits.connections));
    let connections = GracefulShutdown::new();
    loop {
        let next = async {
            // Never closed, so there is always a permit in the end.
            let permit = room.clone().acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        tokio::select! {
            (accepted, permit) = next => match accepted {
                Ok((stream, _)) => spawn(&server, stream, &connections, permit),
                // Mostly that there are too many open files: some are closed sooner or later.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = signals.next() => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(time) => {
            let _ = writeln!(io::stderr(), "bptt: some requests did not end within {} s and were cut off", time.as_secs());
        }
        () = signals.next() => return Err(Failure::Interrupted("ended at once, requests were cut off".into())),
    }
    Ok(())
}

/// Serves a connection beside the others, until it ends or all are to end.
fn spawn(
    server: &Arc<Server>,
    stream: TcpStream,
    connections: &GracefulShutdown,
    permit: Option<OwnedSemaphorePermit>,
) {
    // An answer is written whole; waiting for more would only make it late.
    let _ = stream.set_nodelay(true);
    let shared = server.clone();
    let service = service_fn(move |request| {
        let server = shared.clone();
        async move { Ok::<_, Infallible>(route::answer(server, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.time)
        .serve_connection(TokioIo::new(Patience::new(stream, server.limits.time)), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that broke off, or was too slow, is not this server's failure.
        let _ = connection.await;
        drop(permit);
    });
}

/// The signals that ask for the end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let heard = |kind| {
            signal(kind)
                .map_err(|error| Failure::input(format!("expected signals to be heard, found: {error}")))
        };
        Ok(Self { terminate: heard(SignalKind::terminate())?, interrupt: heard(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one.
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
