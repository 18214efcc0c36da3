//! What the operating system knows of this process, read when somebody asks for metrics.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::gauge;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::names;

/// Sets the gauges of the process. What cannot be read stays as it was.
pub(super) fn observe() {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kibibytes) = field(&status, "VmRSS:") {
            gauge!(names::PROCESS_RESIDENT_MEMORY).set((kibibytes * 1024) as f64);
        }
        if let Some(threads) = field(&status, "Threads:") {
            gauge!(names::PROCESS_THREADS).set(threads as f64);
        }
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        // Reading the folder takes one itself.
        gauge!(names::PROCESS_OPEN_FDS).set(descriptors.count().saturating_sub(1) as f64);
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        gauge!(names::PROCESS_MAX_FDS).set(limit as f64);
    }
    let time = clock_gettime(ClockId::ProcessCPUTime);
    gauge!(names::PROCESS_CPU_SECONDS).set(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
}

/// Says when the process started and what it is; these do not change.
pub(super) fn introduce() {
    if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
        gauge!(names::PROCESS_START_TIME).set(now.as_secs_f64());
    }
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_the_status_are_read_by_name() {
        let status = "Name:\tVmRSS: 7\nVmHWM:\t  99 kB\nVmRSS:\t  12345 kB\nThreads:\t8\n";
        assert_eq!(field(status, "VmRSS:"), Some(12345));
        assert_eq!(field(status, "Threads:"), Some(8));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
