//! Closes and seals the epochs of this session as they are used up.

use tokio::sync::watch;

use super::{JobError, Shared};

pub(super) async fn run(shared: Shared, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        tokio::select! {
            _ = stopped.changed() => return,
            () = shared.epochs.changed() => {}
            () = tokio::time::sleep(shared.times.tick) => {}
        }
        if let Err(error) = shared.epochs.advance().await {
            JobError::from(error).report("epochs");
        }
    }
}
