//! A decorator that lets nothing through to a place that is not ours.

use std::sync::Arc;

use parking_lot::Mutex;
use raft_types::BackendName;
use tokio::sync::Mutex as AsyncMutex;

use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::download::Download;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::{Identity, Verdict, read_identity};
use crate::key::{BackendKey, KeyError, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutOptions, Reply, Stored};

/// Reads the identity before the first request and again before every delete.
///
/// | last verdict | get, head, list | put, tidy | delete |
/// |---|---|---|---|
/// | none yet | reads first | reads first | reads first |
/// | [`Ours`](Verdict::Ours) | pass | pass | reads first |
/// | [`Missing`](Verdict::Missing) | pass | refused | reads first |
/// | [`EarlierIncarnation`](Verdict::EarlierIncarnation), [`Foreign`](Verdict::Foreign) | refused | refused | reads first |
///
/// What is refused fails as [`NotOurs`](ErrorKind::NotOurs). The identity itself is neither written nor
/// deleted through a guard: that is done on the backend inside, by [`crate::identity`].
///
/// A refused backend is looked at again only when somebody calls [`check`](Self::check), or deletes.
#[derive(Debug)]
pub struct Guard<B> {
    inner: B,
    prefix: KeyPrefix,
    identity_key: BackendKey,
    expected: Identity,
    verdict: Mutex<Option<Verdict>>,
    /// Held while the first verdict is being found, so that it costs one read.
    first: AsyncMutex<()>,
}

impl<B: Backend> Guard<B> {
    /// Guards `inner`, whose prefix must hold the identity `expected`.
    ///
    /// # Errors
    /// The prefix is so long that it leaves no room for a key.
    pub fn new(inner: B, prefix: KeyPrefix, expected: Identity) -> Result<Self, KeyError> {
        let identity_key = BackendKey::identity(&prefix)?;
        let (verdict, first) = (Mutex::new(None), AsyncMutex::new(()));
        Ok(Self {
            inner,
            prefix,
            identity_key,
            expected,
            verdict,
            first,
        })
    }

    /// The backend inside, for those who write identities.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The identity that must be there.
    pub fn expected(&self) -> &Identity {
        &self.expected
    }

    /// What was found when it was last looked at.
    pub fn verdict(&self) -> Option<Verdict> {
        *self.verdict.lock()
    }

    /// Looks now.
    ///
    /// # Errors
    /// The backend could not be asked; the last verdict stays.
    pub async fn check(&self) -> Result<Verdict> {
        let verdict = self
            .expected
            .judge(read_identity(&self.inner, &self.prefix).await?);
        let before = self.verdict.lock().replace(verdict);
        if before != Some(verdict) && verdict != Verdict::Ours {
            tracing::warn!(backend = %self.inner.name(), %verdict, "the identity of a backend is not ours");
        }
        Ok(verdict)
    }

    /// The last verdict, or the first.
    async fn known(&self) -> Result<Verdict> {
        if let Some(verdict) = self.verdict() {
            return Ok(verdict);
        }
        let _first = self.first.lock().await;
        match self.verdict() {
            Some(verdict) => Ok(verdict),
            None => self.check().await,
        }
    }

    async fn may_read(&self, operation: Operation) -> Result<()> {
        match self.known().await? {
            Verdict::Ours | Verdict::Missing => Ok(()),
            verdict => Err(verdict.refusal(operation, self.inner.name())),
        }
    }

    async fn may_write(&self, operation: Operation) -> Result<()> {
        match self.known().await? {
            Verdict::Ours => Ok(()),
            verdict => Err(verdict.refusal(operation, self.inner.name())),
        }
    }

    fn refuse_identity(&self, key: &BackendKey, operation: Operation) -> Result<()> {
        if *key != self.identity_key {
            return Ok(());
        }
        let kind = ErrorKind::invalid("the identity is not changed through a guard");
        Err(Error::new(kind, operation, self.inner.name()).with_key(key))
    }
}

impl<B: Backend> Backend for Guard<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            self.refuse_identity(key, Operation::Put)?;
            self.may_write(Operation::Put)
                .await
                .map_err(|error| error.with_key(key))?;
            self.inner.put(key, body, options).await
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            self.may_read(Operation::Get)
                .await
                .map_err(|error| error.with_key(key))?;
            self.inner.get(key, options).await
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(async move {
            self.may_read(Operation::Head)
                .await
                .map_err(|error| error.with_key(key))?;
            self.inner.head(key).await
        })
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            Target::check_batch(targets, self.inner.name())?;
            for target in targets {
                self.refuse_identity(&target.key, Operation::Delete)?;
            }
            match self.check().await? {
                Verdict::Ours => self.inner.delete(targets).await,
                verdict => Err(verdict.refusal(Operation::Delete, self.inner.name())),
            }
        })
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(async move {
            self.may_read(Operation::List).await?;
            self.inner.list(request).await
        })
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        Box::pin(async move {
            self.may_write(Operation::Tidy).await?;
            self.inner.tidy(prefix).await
        })
    }
}
