//! The session of this boot, as use cases and jobs see it.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use raft::{ExecuteError, Session};
use raft_types::{Command, Outcome, SessionId};

/// A session whose kind does not matter to its user.
pub(crate) type AnySession = Arc<dyn SessionPort>;

/// What a session can do: [`raft::Session`], or a double in tests that loses answers as a network does.
pub(crate) trait SessionPort: fmt::Debug + Send + Sync + 'static {
    /// Its number in the state.
    fn id(&self) -> SessionId;

    /// Applies a command once; see [`Session::execute`].
    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Outcome, ExecuteError>>;

    /// Waits for the outcome of a command that was unknown; see [`Session::settled`].
    fn settled(&self, number: u64) -> BoxFuture<'_, Option<Outcome>>;

    /// Whether it is known to be sealed.
    fn is_sealed(&self) -> bool;

    /// Completes once it is known to be sealed.
    fn sealed(&self) -> BoxFuture<'_, ()>;

    /// Ends it in order.
    fn close(&self) -> BoxFuture<'_, Result<(), ExecuteError>>;
}

impl SessionPort for Session {
    fn id(&self) -> SessionId {
        Session::id(self)
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Outcome, ExecuteError>> {
        Session::execute(self, command).boxed()
    }

    fn settled(&self, number: u64) -> BoxFuture<'_, Option<Outcome>> {
        Session::settled(self, number).boxed()
    }

    fn is_sealed(&self) -> bool {
        Session::is_sealed(self)
    }

    fn sealed(&self) -> BoxFuture<'_, ()> {
        Session::sealed(self).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), ExecuteError>> {
        Session::close(self).boxed()
    }
}
