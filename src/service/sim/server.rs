//! The simulator over HTTP/1.1 on loopback: it listens, holds a bounded number of connections, and stops in time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::answer::answer;
use super::shared::SharedWorld;
use super::stats::Stats;
use super::stream::{ResetMark, Resettable};
use super::world::World;
use crate::clock::{Clock, sleep, timeout_at};
use crate::limits;

/// Why the simulator cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address is not a loopback one.
    #[error("{0} is not a loopback address; the simulator has no access control, so listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The thread or its runtime cannot be started.
    #[error("cannot start the simulator's thread: {0}")]
    Start(io::Error),
}

/// A running simulator, on a thread of its own.
pub struct Server {
    world: SharedWorld,
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts to serve; port 0 takes any free port, which [`Server::address`] tells.
    ///
    /// # Errors
    /// [`SimError`] for an address that is not loopback or cannot be listened on.
    pub fn start(world: World, listen: SocketAddr) -> Result<Self, SimError> {
        let listener = bind(listen)?;
        let address = listener.local_addr().map_err(|source| SimError::Listen { address: listen, source })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SimError::Start)?;
        let world = SharedWorld::new(world);
        let served = world.clone();
        let (shutdown, asked) = oneshot::channel();
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                // A dropped sender asks for the end as much as a sent word.
                let _ = serve(served, listener, async { drop(asked.await) }).await;
            });
        });
        Ok(Self { world, address, shutdown, thread: thread.map_err(SimError::Start)? })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The world, to be looked at or changed.
    #[must_use]
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world.stats()
    }

    /// Stops listening, lets open calls finish for a bounded time, and hands the world back.
    #[must_use]
    pub fn stop(self) -> World {
        let _ = self.shutdown.send(());
        // A thread that panicked leaves the world as it was.
        let _ = self.thread.join();
        self.world.take()
    }
}

/// Listens on a loopback address without blocking.
///
/// # Errors
/// [`SimError::NotLoopback`] and [`SimError::Listen`].
pub fn bind(listen: SocketAddr) -> Result<std::net::TcpListener, SimError> {
    if !listen.ip().is_loopback() {
        return Err(SimError::NotLoopback(listen));
    }
    let listener = std::net::TcpListener::bind(listen);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|source| SimError::Listen { address: listen, source })
}

/// Serves until `shutdown` is ready, then lets open calls finish for a bounded time.
///
/// # Errors
/// [`SimError::NotLoopback`] for a listener that others than this machine can reach.
pub async fn serve(
    world: SharedWorld,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimError> {
    if let Ok(address) = listener.local_addr()
        && !address.ip().is_loopback()
    {
        return Err(SimError::NotLoopback(address));
    }
    let clock = Clock::system();
    let (stopping, stop) = watch::channel(());
    let permits = Arc::new(Semaphore::new(limits::SIM_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (stream, permit) = accept(&listener, &permits) => {
                connections.spawn(connection(world.clone(), clock, stream, stop.clone(), permit));
            }
        }
    }
    drop(listener);
    drop(stopping);
    let deadline = clock.now() + Duration::from_millis(limits::SIM_STOP_MS_MAX);
    // What is still open then is cut off when the set is dropped.
    let _ = timeout_at(deadline, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// The next connection, once there is room for one; until then others wait in the system's queue.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Out of file handles, or the peer is gone already: others may do better in a moment.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(
    world: SharedWorld,
    clock: Clock,
    stream: TcpStream,
    mut stop: watch::Receiver<()>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // Answers are small: without this the second half of one may wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let mark = ResetMark::default();
    let stream = Resettable::new(stream, mark.clone());
    let service = service_fn(move |request| answer(world.clone(), clock, mark.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::SIM_IDLE_MS_MAX))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
