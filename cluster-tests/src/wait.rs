//! Waiting for a condition that another process brings about.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Looks until `condition` gives a value.
///
/// # Panics
/// It did not within `limit`; says what was being waited for and what was seen last.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let begun = Instant::now();
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(seen) => assert!(
                begun.elapsed() < limit,
                "{what} did not happen within {limit:?}: {seen}"
            ),
        }
        tokio::time::sleep(POLL).await;
    }
}
