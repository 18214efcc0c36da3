//! CPU time and memory of a process, as the kernel counts them under `/proc`.

use std::fs;

/// The kernel reports CPU time in ticks of 10 ms on every Linux architecture that Debian ships.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures CPU seconds used since it was made.
pub(crate) struct CpuClock {
    processes: Vec<u32>,
    begun: f64,
}

impl CpuClock {
    /// User and system time of this process.
    pub(crate) fn of_this_process() -> CpuClock {
        CpuClock::of(vec![std::process::id()])
    }

    /// User and system time of these processes together.
    pub(crate) fn of(processes: Vec<u32>) -> CpuClock {
        let begun = processes.iter().map(|pid| seconds(*pid)).sum();
        CpuClock { processes, begun }
    }

    /// CPU seconds used since this clock was made.
    pub(crate) fn elapsed_seconds(&self) -> f64 {
        self.processes.iter().map(|pid| seconds(*pid)).sum::<f64>() - self.begun
    }
}

fn seconds(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return 0.0;
    };
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return 0.0;
    };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Resident memory of a process in bytes: now, and at its highest.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The highest that was resident since the process started or its mark was reset.
    pub(crate) peak: u64,
}

/// Reads the memory of a process; `None` once it is gone.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    };
    Some(Memory {
        resident: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

/// Sets the high-water mark of a process back to what is resident now.
pub(crate) fn reset_peak(pid: u32) -> std::io::Result<()> {
    // See proc(5), clear_refs: 5 resets the peak resident set size.
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_known_and_its_peak_is_not_below_it() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
    }

    #[test]
    fn a_process_that_is_gone_has_used_nothing() {
        assert_eq!(seconds(u32::MAX), 0.0);
    }
}
