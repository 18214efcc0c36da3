//! LIST: one page from one view.

use api::port::{Caller, Error, ListCursor, ListEntry, ListObjects, ListPage};
use bytes::Bytes;
use raft_machine::queries::{self, ListQuery, ListStart};

use super::access::{UsableBucket, usable_bucket};
use super::errors::state_fault;
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

impl Gateway {
    pub(super) fn do_list_objects(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &ListObjects,
    ) -> Result<ListPage, Error> {
        let UsableBucket { id, record } =
            usable_bucket(&*self.policy(), view.tables(), caller, &request.bucket)?;
        let owner = translate::owner(&record.owner);
        let mut page = ListPage {
            owner,
            entries: Vec::new(),
            common_prefixes: Vec::new(),
            next: None,
        };
        if request.limit == 0 {
            return Ok(page);
        }
        let prefix = bytes_of(&request.prefix);
        let delimiter = request.delimiter.as_deref().map_or(Bytes::new(), bytes_of);
        let start = match &request.after {
            None => ListStart::Beginning,
            Some(ListCursor(after)) => ListStart::from_marker(bytes_of(after), &prefix, &delimiter),
        };
        let query = ListQuery {
            bucket: id,
            prefix,
            delimiter,
            start,
            limit: request.limit as usize,
        };
        let found = queries::list_objects(view.tables(), &query).map_err(state_fault)?;
        if found.next.is_some() {
            page.next = found.entries.last().map(|last| cursor(last.name())).transpose()?;
        }
        for entry in found.entries {
            match entry {
                queries::ListEntry::Prefix(prefix) => page.common_prefixes.push(text(&prefix)?),
                queries::ListEntry::Object(key, record) => page.entries.push(ListEntry {
                    key: translate::port_object_key(&key).ok_or(Error::Internal)?,
                    size: record.size,
                    etag: translate::etag(&record.etag),
                    last_modified: translate::millis(record.modified),
                    checksum: record.checksums.first().map(|checksum| {
                        (
                            translate::port_algorithm(checksum.algorithm),
                            translate::port_scope(checksum.scope),
                        )
                    }),
                }),
            }
        }
        Ok(page)
    }
}

pub(super) fn bytes_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn cursor(name: &[u8]) -> Result<ListCursor, Error> {
    text(name).map(ListCursor)
}

/// A name of the state as text. Keys are UTF-8, and so are their parts up to a delimiter that is.
pub(super) fn text(name: &[u8]) -> Result<String, Error> {
    String::from_utf8(name.to_vec()).map_err(|_| {
        tracing::error!("a name in a listing is not UTF-8");
        Error::Internal
    })
}
