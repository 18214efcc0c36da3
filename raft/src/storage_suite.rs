//! openraft's own tests of a storage, over the real stores.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::consensus::TypeConfig;
use crate::fatal::Fatal;
use crate::log::LogStore;
use crate::state::StateMachine;
use crate::testing;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = testing::pristine(folder.path());
        let fatal = Fatal::with(|cause| panic!("{cause}"));
        let machine = StateMachine::new(store.state, store.snapshots, fatal).expect("a state machine");
        Ok((folder, store.log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_pass_the_storage_suite_of_openraft() {
    Suite::test_all(Builder).await.expect("the suite passes");
}
