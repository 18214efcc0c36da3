//! Writing the log. Everything here runs inside the Raft core's task, so it must not wait, except
//! for a vote.

use std::io;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use prost::Message;
use rocksdb::WriteBatch;
use tokio::sync::oneshot;

use super::flusher::Waiter;
use super::keys::{MetaRow, log_key};
use super::record;
use super::store::{Inner, LogStore, Span, committed_row};
use crate::consensus::{Entry, LogId, StoredLogId, StoredVote, TypeConfig, Vote};

impl Inner {
    fn append(&self, entries: impl IntoIterator<Item = Entry>) -> io::Result<()> {
        let (last, committed) = {
            let contents = self.contents.lock();
            let committed = contents
                .committed_is_ahead
                .then_some(contents.committed)
                .flatten();
            (contents.last_log_id(), committed)
        };
        let mut batch = WriteBatch::default();
        if let Some(committed) = committed {
            self.put_meta(&mut batch, MetaRow::Committed, &committed_row(committed))?;
        }
        let family = self.log_family()?;
        let mut appended = Vec::new();
        let mut record = Vec::new();
        let mut bytes = 0;
        let mut previous = last.map(|last| last.index());
        for entry in entries {
            let index = entry.log_id.index();
            if previous.is_some_and(|previous| previous.checked_add(1) != Some(index)) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("entry {index} does not follow the last one, {previous:?}"),
                ));
            }
            previous = Some(index);
            record::encode(&entry, &mut record);
            batch.put_cf(family, log_key(self.group, index), &record);
            bytes += record.len() as u64;
            appended.push((entry, record.len() as u64));
        }
        self.metrics.appended.increment(appended.len() as u64);
        self.metrics.appended_bytes.increment(bytes);
        self.write(batch)?;

        let mut contents = self.contents.lock();
        if committed.is_some() && contents.committed == committed {
            contents.committed_is_ahead = false;
        }
        for (entry, size) in appended {
            let id = entry.log_id;
            let first = contents.span.map_or(id.index(), |span| span.first);
            contents.span = Some(Span { first, last: id });
            contents.sizes.push(id.index(), size);
            contents.cache.push(entry);
        }
        self.report_size(&contents);
        Ok(())
    }

    fn truncate_after(&self, last: Option<LogId>) -> io::Result<()> {
        let mut contents = self.contents.lock();
        let Some(span) = contents.span else { return Ok(()) };
        let from = last
            .map_or(0, |last| last.index().saturating_add(1))
            .max(span.first);
        if from > span.last.index() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        self.delete_entries(&mut batch, from, span.last.index())?;
        self.write(batch)?;
        contents.cache.truncate_from(from);
        contents.sizes.truncate_from(from);
        contents.span = match last {
            Some(last) if from > span.first => Some(Span {
                first: span.first,
                last,
            }),
            _ => None,
        };
        self.report_size(&contents);
        Ok(())
    }

    fn purge(&self, upto: LogId) -> io::Result<()> {
        let mut contents = self.contents.lock();
        if contents
            .purged
            .is_some_and(|purged| purged.index() >= upto.index())
        {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        self.put_meta(
            &mut batch,
            MetaRow::Purged,
            &StoredLogId::from(upto).encode_to_vec(),
        )?;
        let rest = match contents.span {
            Some(span) if upto.index() >= span.first => {
                self.delete_entries(&mut batch, span.first, upto.index().min(span.last.index()))?;
                let first = upto.index().saturating_add(1);
                (first <= span.last.index()).then_some(Span {
                    first,
                    last: span.last,
                })
            }
            untouched => untouched,
        };
        self.write(batch)?;
        contents.span = rest;
        contents.purged = Some(upto);
        contents.cache.purge_to(upto.index());
        contents.sizes.purge_to(upto.index());
        self.report_size(&contents);
        Ok(())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let contents = self.inner.contents.lock();
        Ok(LogState {
            last_purged_log_id: contents.purged,
            last_log_id: contents.last_log_id(),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let mut batch = WriteBatch::default();
        self.inner
            .put_meta(&mut batch, MetaRow::Vote, &StoredVote::from(vote).encode_to_vec())?;
        self.inner.write(batch)?;
        self.inner.contents.lock().vote = Some(*vote);
        let (sender, synced) = oneshot::channel();
        self.inner.flusher.submit(Waiter::Vote(sender));
        synced.await.map_err(io::Error::other)?
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut contents = self.inner.contents.lock();
        if contents.committed != committed {
            contents.committed = committed;
            contents.committed_is_ahead = committed.is_some();
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.inner.contents.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.inner.append(entries)?;
        self.inner.flusher.submit(Waiter::Append(callback));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.inner.truncate_after(last_log_id)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.inner.purge(log_id)
    }
}
