//! Metrics as text, in the format of Prometheus.

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

/// Returns all metrics as text.
pub(super) fn exposition(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = prometheus_text::encode(&mut text, registry);
    text
}
