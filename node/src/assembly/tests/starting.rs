//! A node as its process puts it together.

use std::path::Path;
use std::sync::Arc;

use crate::assembly::NodeAssembly;
use crate::config::{Config, Loader};
use crate::lifecycle::{Assemble, Lifecycle, Readiness};
use crate::telemetry::RequestLog;

fn configuration(folder: &Path, users: &str) -> Config {
    let (data, disk) = (folder.join("data"), folder.join("disk"));
    std::fs::create_dir_all(&disk).unwrap();
    let yaml = format!(
        "data_dir: {}\nbackends: [{{name: disk, path: {}}}]\nbuckets: [{{name: photos}}]\nusers: [{users}]\n",
        data.display(),
        disk.display()
    );
    Loader::new().text("test", &yaml).load().unwrap().config
}

const ANN: &str = "{access_key: ann, secret_key: secret-of-ann, allowed_buckets: ['*']}";
const BOB: &str = "{access_key: bob, secret_key: secret-of-bob, allowed_buckets: ['*']}";

async fn start(config: Config) -> Arc<dyn Lifecycle> {
    let assembly = NodeAssembly {
        observer: RequestLog::new(),
    };
    assembly.assemble(config).await.unwrap().lifecycle
}

#[tokio::test]
async fn a_node_starts_takes_a_reload_stops_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    for (at_start, at_reload) in [(ANN, BOB), (BOB, ANN), (BOB, BOB)] {
        let node = start(configuration(folder.path(), at_start)).await;
        assert_eq!(node.readiness(), Readiness::Ready);
        let reloaded = configuration(folder.path(), at_reload);
        node.reconfigure(&reloaded.cluster).await.unwrap();
        assert_eq!(node.readiness(), Readiness::Ready);
        node.stop().await;
    }
}

#[tokio::test]
async fn a_start_that_fails_lets_go_of_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), ANN);
    let disk = folder.path().join("disk");
    std::fs::remove_dir(&disk).unwrap();
    let assembly = NodeAssembly {
        observer: RequestLog::new(),
    };
    let failed = assembly.assemble(config.clone()).await.map(|_| ()).unwrap_err();
    assert!(failed.to_string().contains("backend disk"), "{failed}");
    std::fs::create_dir(&disk).unwrap();
    let node = start(config).await;
    assert_eq!(node.readiness(), Readiness::Ready);
    node.stop().await;
}
