//! Panics: mistakes of ours that end a request or a task, never silently.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};

use super::names;

/// Has every panic of the process logged with its stack, and counted.
pub fn report_panics() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let message = info
        .payload()
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| info.payload().downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map(ToString::to_string);
    metrics::counter!(names::SERVICE_CRASHES).increment(1);
    tracing::error!(
        place,
        thread = std::thread::current().name(),
        backtrace = %Backtrace::force_capture(),
        "panic: {message}"
    );
}
