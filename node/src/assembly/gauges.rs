//! What the state counts, as metrics: read from a local view when somebody looks.

use std::time::Duration;

use raft_machine::{Fault, ReadTables, queries};
use tokio::task::JoinHandle;

use crate::metadata::Metadata;
use crate::telemetry::names;

/// How often the gauges are set anew. Reading them costs a few lookups per backend and bucket.
const INTERVAL: Duration = Duration::from_millis(250);

/// Sets the gauges until it is dropped.
#[derive(Debug)]
pub(super) struct Gauges(JoinHandle<()>);

impl Gauges {
    pub(super) fn start(metadata: Metadata) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                if let Err(error) = set(&metadata) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the gauges could not be read"
                    );
                }
            }
        }))
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn set(metadata: &Metadata) -> Result<(), Fault> {
    let view = metadata.local();
    let mut waiting = 0;
    for (id, row) in queries::backends(&view)? {
        let name = row.name.to_string();
        let counters = queries::backend_counters(&view, id)?;
        let gauge = |metric: &'static str| metrics::gauge!(metric, "backend" => name.clone());
        // Gauges are floating point by their format; counts stay exact up to 2^53.
        gauge(names::BACKEND_REPLICAS).set(counters.replicas as f64);
        gauge(names::QUOTA_BYTES_USED).set(counters.stored_bytes as f64);
        gauge(names::BACKEND_GARBAGE).set(counters.garbage as f64);
        gauge(names::QUOTA_ORPHAN_BYTES).set(counters.garbage_bytes as f64);
        waiting += counters.garbage;
    }
    metrics::gauge!(names::CLEANUP_QUEUE_DEPTH).set(waiting as f64);
    metrics::gauge!(names::CONFIG_DRIFT).set(drifted(&view)? as f64);
    Ok(())
}

/// Nodes whose file says otherwise than the settings of the cluster.
pub(super) fn drifted(tables: &impl ReadTables) -> Result<usize, Fault> {
    let Some(settings) = queries::settings(tables)? else {
        return Ok(0);
    };
    let nodes = queries::nodes(tables)?;
    let drifted = nodes
        .iter()
        .filter(|(_, node)| node.seen.is_some_and(|seen| seen != settings.fingerprint));
    Ok(drifted.count())
}
