//! DELETE of one object or many.

use api::port::{BucketName, Caller, DeleteObject, DeletedObject, Error, VersionId, WriteConditions};
use raft_types::commands::{DeleteObjects, DeleteTarget};
use raft_types::limits::DELETE_KEYS;
use raft_types::{BucketId, Command, DeleteResult, Outcome, PrincipalName};

use super::access::UsableBucket;
use super::buckets::principal;
use super::errors::{execute_failed, rejected, unexpected};
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

impl Gateway {
    pub(super) async fn do_delete_object(
        &self,
        view: RequestView,
        caller: Caller,
        request: DeleteObject,
    ) -> Result<DeletedObject, Error> {
        let bucket = request.bucket.clone();
        let mut results = self
            .do_delete_objects(view, caller, bucket, vec![request])
            .await?;
        results.pop().unwrap_or(Err(Error::Internal))
    }

    /// One command for each hundred keys. When one of them does not get through, the outcomes of those
    /// before it stand, and the rest are answered as unknown.
    pub(super) async fn do_delete_objects(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
        objects: Vec<DeleteObject>,
    ) -> Result<Vec<Result<DeletedObject, Error>>, Error> {
        let (_, UsableBucket { id, record }) = self.usable(&view, &caller, bucket).await?;
        drop(view);
        let owner = Some(principal(&caller)?).filter(|user| *user != record.owner);
        let mut results = Vec::with_capacity(objects.len());
        let mut lost = None;
        for batch in objects.chunks(DELETE_KEYS) {
            if lost.is_none() {
                match self.delete_batch(id, owner.clone(), batch).await {
                    Ok(outcomes) => {
                        results.extend(outcomes);
                        continue;
                    }
                    Err(error) if results.is_empty() => return Err(error),
                    Err(error) => lost = Some(error),
                }
            }
            let error = lost.clone().unwrap_or(Error::Internal);
            results.extend(batch.iter().map(|_| Err(error.clone())));
        }
        Ok(results)
    }

    async fn delete_batch(
        &self,
        bucket: BucketId,
        owner: Option<PrincipalName>,
        batch: &[DeleteObject],
    ) -> Result<Vec<Result<DeletedObject, Error>>, Error> {
        let targets = batch
            .iter()
            .map(|object| {
                let key = translate::object_key(&object.key).ok_or(Error::Internal)?;
                Ok(DeleteTarget {
                    key,
                    version: None,
                    conditions: translate::conditions(&object.conditions),
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let command = Command::DeleteObjects(DeleteObjects {
            bucket,
            targets,
            owner,
        });
        let deletions = match self
            .parts
            .metadata
            .execute(command)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Deleted(deletions) => deletions,
            Outcome::Rejected(other) => {
                return Err(rejected("DeleteObjects", other, &WriteConditions::default()));
            }
            other => return Err(unexpected("DeleteObjects", &other)),
        };
        if deletions.results.len() != batch.len() {
            return Err(unexpected("DeleteObjects", &Outcome::Deleted(deletions)));
        }
        Ok(deletions
            .results
            .into_iter()
            .zip(batch)
            .map(|(result, object)| deleted(result, object))
            .collect())
    }
}

fn deleted(result: DeleteResult, object: &DeleteObject) -> Result<DeletedObject, Error> {
    match result {
        DeleteResult::Gone(gone) => Ok(DeletedObject {
            marker: gone.marker.map(|marker| VersionId::new(&marker.to_string())),
        }),
        DeleteResult::Rejected(other) => Err(rejected("DeleteObjects", other, &object.conditions)),
    }
}
