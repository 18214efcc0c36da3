//! The metrics of the process, in the form of Prometheus.

use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{CATALOGUE, Kind};
use super::process;

/// How often recorded values are folded into their histograms. Between two of these every value
/// takes eight bytes, so this bounds memory when nobody asks for metrics.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Why there can be no metrics.
#[derive(Debug, thiserror::Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

impl Metrics {
    /// Makes this the recorder of the process.
    ///
    /// # Errors
    /// The process has one already.
    pub fn install() -> Result<Self, MetricsError> {
        let handle = builder()?.install_recorder()?;
        for metric in CATALOGUE {
            match metric.kind {
                Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
                Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
                Kind::Histogram(_) => metrics::describe_histogram!(metric.name, Unit::Count, metric.help),
            }
        }
        process::introduce();
        Ok(Self(handle))
    }

    /// Metrics that nothing is recorded in.
    #[cfg(test)]
    pub(crate) fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Everything that was recorded, as Prometheus reads it.
    #[must_use]
    pub fn render(&self) -> String {
        process::observe();
        self.0.render()
    }

    /// Folds recorded values into their histograms; due every [`UPKEEP`].
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    CATALOGUE
        .iter()
        .try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
            Kind::Histogram(buckets) => {
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
            }
            Kind::Counter | Kind::Gauge => Ok(builder),
        })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;
    use crate::telemetry::names;

    #[test]
    fn histograms_have_the_buckets_of_the_catalogue() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!(names::REQUEST_DURATION, "method" => "GET").record(0.003);
            process::introduce();
            process::observe();
        });
        let text = handle.render();
        assert!(
            text.contains("s3o_request_duration_seconds_bucket{method=\"GET\",le=\"0.005\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("s3o_request_duration_seconds_bucket{method=\"GET\",le=\"0.001\"} 0"),
            "{text}"
        );
        for name in [
            names::PROCESS_RESIDENT_MEMORY,
            names::PROCESS_OPEN_FDS,
            names::PROCESS_CPU_SECONDS,
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{name}: {text}");
        }
    }
}
