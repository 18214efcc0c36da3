//! The ids of uploads.

use std::time::{SystemTime, UNIX_EPOCH};

use raft_types::UploadId;

/// Bytes of the time in an id: microseconds in them last until the year 4253.
const TIME_BYTES: usize = 7;

/// An id for an upload that begins at `now`: the time, and behind it what makes it unlike all others.
///
/// S3 lists the uploads of one key in the order in which they were begun, and rows are listed by id.
/// Microseconds, because one client begins several uploads within a millisecond.
///
/// # Errors
/// Without randomness.
pub(super) fn draw(now: SystemTime) -> Result<UploadId, getrandom::Error> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let mut id = [0; 16];
    let (time, drawn) = id.split_at_mut(TIME_BYTES);
    let significant = micros
        .to_be_bytes()
        .into_iter()
        .skip(size_of::<u64>() - TIME_BYTES);
    time.iter_mut().zip(significant).for_each(|(to, from)| *to = from);
    getrandom::fill(drawn)?;
    Ok(UploadId(id))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_are_in_the_order_of_the_times_at_which_uploads_begin() {
        let start = SystemTime::now();
        let ids: Vec<_> = (0..1_000_u64)
            .map(|step| draw(start + Duration::from_micros(step * step)).unwrap())
            .collect();
        assert!(ids.windows(2).skip(1).all(|pair| pair[0] < pair[1]));
        // The first and the last of the bytes that hold the time.
        let year = Duration::from_secs(365 * 86_400);
        assert!(draw(start).unwrap() < draw(start + 1_000 * year).unwrap());
        assert!(draw(UNIX_EPOCH).unwrap() < draw(UNIX_EPOCH + Duration::from_micros(1)).unwrap());
    }

    #[test]
    fn ids_of_one_moment_are_unlike() {
        let now = SystemTime::now();
        let ids: HashSet<_> = (0..10_000).map(|_| draw(now).unwrap()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
