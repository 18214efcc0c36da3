//! Which request a piece of code runs for, so that every line it logs says so.
//!
//! A span per request would say the same and be paid by every request that logs nothing but its one
//! line. This costs a store on entry: the id is read only when a line is written.

use std::future::Future;

use api::port::RequestId;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static REQUEST: RequestId;
}

/// Runs `work` for a request. Tasks that it starts run for nobody.
pub(crate) fn for_request<F: Future>(id: RequestId, work: F) -> TaskLocalFuture<RequestId, F> {
    REQUEST.scope(id, work)
}

/// Does one step for a request.
pub(crate) fn step_of_request<T>(id: RequestId, step: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(id, step)
}

/// The request that is running, if one is.
pub(crate) fn current_request() -> Option<RequestId> {
    REQUEST.try_with(|id| *id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_current_while_its_work_runs_and_not_before_or_after() {
        let (one, two) = (RequestId::new(1), RequestId::new(2));
        assert_eq!(current_request(), None);
        let seen = for_request(one, async {
            tokio::task::yield_now().await;
            let inner = step_of_request(two, current_request);
            (current_request(), inner)
        });
        assert_eq!(seen.await, (Some(one), Some(two)));
        assert_eq!(current_request(), None);
    }
}
