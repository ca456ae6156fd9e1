//! The address of `--metrics-listen`: one path, for a few readers at a time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::exposition::exposition;
use crate::clock::{Clock, sleep, timeout_at};
use crate::commands::shared::{CommandContext, Failure};
use crate::limits::{METRICS_READER_MS_MAX, METRICS_READERS_MAX};
use crate::ui::MessageCode;

/// Listens from now on, until the process ends.
pub(super) async fn start(
    address: SocketAddr,
    registry: Arc<Registry>,
    context: &CommandContext<'_>,
) -> Result<(), Failure> {
    let failed = |error| Failure::Usage(format!("--metrics-listen: cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    context.ui.note(MessageCode::MetricsAddress, &format!("metrics are at http://{address}/metrics during the run"));
    tokio::spawn(accept(listener, registry, context.clock));
    Ok(())
}

async fn accept(listener: TcpListener, registry: Arc<Registry>, clock: Clock) {
    let readers = Arc::new(Semaphore::new(METRICS_READERS_MAX));
    let time_max = Duration::from_millis(METRICS_READER_MS_MAX);
    loop {
        let Ok(place) = Arc::clone(&readers).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is free: there may be one later.
            sleep(time_max).await;
            continue;
        };
        let registry = Arc::clone(&registry);
        tokio::spawn(async move {
            // A reader that is slow, or has left, gets nothing.
            let _ = timeout_at(clock.now() + time_max, serve(stream, &registry)).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, registry: &Registry) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, registry)) });
    // Each reader asks once, so that it does not keep its place.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Response<Full<Bytes>> {
    let is_known = request.method() == Method::GET && request.uri().path() == "/metrics";
    let text = if is_known { exposition(registry) } else { "metrics are at /metrics\n".to_owned() };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    if is_known {
        let kind = hyper::header::HeaderValue::from_static(prometheus_text::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, kind);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
