//! One node: a folder, a configuration, a process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;

use crate::backend;
use crate::s3::Client;
use crate::wait;

/// How long a node may take to serve, or to end in order. Debug builds on a busy machine are slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// The key of the tests' user.
pub const ACCESS_KEY: &str = "TESTTESTTESTTESTTEST";
/// Its secret.
pub const SECRET_KEY: &str = "a-secret-of-the-tests-0123456789abcdefgh";

/// Stands before the lines that a test adds to the configuration.
const EXTRA: &str = "# added by the test\n";

/// What a node is configured with beside what every test needs.
#[derive(Debug, Clone, Default)]
pub struct NodeConfig {
    /// Lines of YAML added at the end: further users, then sections.
    pub extra: String,
    /// Where the data directory lies; in the node's own folder by default.
    pub data_dir: Option<PathBuf>,
    /// Where the backend lies; in the node's own folder by default.
    pub backend: Option<PathBuf>,
}

/// A node and the folder that it lives in.
#[derive(Debug)]
pub struct Node {
    folder: TempDir,
    address: SocketAddr,
    data_dir: PathBuf,
    backend: PathBuf,
    process: Option<Child>,
    http: HttpClient<hyper_util::client::legacy::connect::HttpConnector, Empty<bytes::Bytes>>,
}

impl Node {
    /// Makes a node's folder and configuration; does not start it.
    pub fn prepare(config: &NodeConfig) -> Self {
        let folder = TempDir::new().expect("a folder");
        let data_dir = config
            .data_dir
            .clone()
            .unwrap_or_else(|| folder.path().join("data"));
        let backend = config
            .backend
            .clone()
            .unwrap_or_else(|| folder.path().join("backend"));
        fs::create_dir_all(&backend).expect("the backend's folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let key = folder.path().join("master.key");
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("randomness");
        write_private(&key, &bytes);
        let yaml = format!(
            "server:\n  listen_addr: \"{address}\"\n\
             data_dir: {data}\n\
             encryption:\n  enabled: true\n  master_key_file: {key}\n\
             backends:\n  - name: disk\n    type: fs\n    path: {backend}\n\
             garbage:\n  min_age: 0s\n  interval: 20ms\n\
             sessions:\n  second_sweep_after: 1ms\n\
             users:\n  - access_key_id: {ACCESS_KEY}\n    secret_access_key: {SECRET_KEY}\n    allowed_buckets: [\"*\"]\n\
             {EXTRA}{extra}",
            data = data_dir.display(),
            key = key.display(),
            backend = backend.display(),
            extra = config.extra,
        );
        write_private(&folder.path().join("holdfast.yaml"), yaml.as_bytes());
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        Self {
            folder,
            address,
            data_dir,
            backend,
            process: None,
            http,
        }
    }

    /// A running node that is ready.
    pub async fn start(config: &NodeConfig) -> Self {
        let mut node = Self::prepare(config);
        node.run();
        node.ready().await;
        node
    }

    /// Starts the process.
    pub fn run(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("holdfast.log"))
            .expect("the log");
        let child = Command::new(binary())
            .arg("serve")
            .arg("--config")
            .arg(self.folder.path().join("holdfast.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the process");
        self.process = Some(child);
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                panic!("the node ended with {status}:\n{}", self.log());
            }
            if self.status_of("/health/ready").await == Some(200) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the node is not ready:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The status of its process once that has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .as_mut()?
            .try_wait()
            .expect("the state of the process")
    }

    /// Waits until its process has ended by itself.
    pub async fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                self.process = None;
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the node does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("SIGKILL");
            child.wait().expect("the end of the process");
        }
    }

    /// SIGTERM; waits for the end in order.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.end().await
    }

    /// Puts another text in the place of the lines that the test added to the configuration, and has the
    /// node read it again. Returns when it has.
    pub async fn reload(&self, extra: &str) {
        let path = self.folder.path().join("holdfast.yaml");
        let yaml = fs::read_to_string(&path).expect("the configuration");
        let (base, _) = yaml.split_once(EXTRA).expect("the mark before the added lines");
        write_private(&path, format!("{base}{EXTRA}{extra}").as_bytes());
        let reloads = || async { self.metric("s3o_config_reloads_total").await.unwrap_or(0.0) };
        let before = reloads().await;
        self.signal("HUP");
        wait::until("the reload", PATIENCE, || async {
            let after = reloads().await;
            (after > before).then_some(()).ok_or(format!("{after} reloads"))
        })
        .await;
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().expect("a running node").id();
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()
            .expect("kill");
        assert!(sent.success(), "SIG{name} could not be sent");
    }

    /// A client with the tests' key.
    pub fn client(&self) -> Client {
        Client::new(self.address, ACCESS_KEY, SECRET_KEY)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The folder of its backend.
    pub fn backend(&self) -> &Path {
        &self.backend
    }

    /// The folder of everything else of it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("holdfast.log")).unwrap_or_default()
    }

    /// The metrics as they are served.
    pub async fn metrics(&self) -> String {
        self.unsigned("/metrics").await.expect("metrics").1
    }

    /// The status of an unsigned GET; `None` where nobody answers.
    pub async fn status_of(&self, path: &str) -> Option<u16> {
        Some(self.unsigned(path).await?.0)
    }

    /// The value of a metric that has one series, or the sum of its series.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.unsigned("/metrics").await?;
        let values: Vec<f64> = text
            .lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    async fn unsigned(&self, path: &str) -> Option<(u16, String)> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("http://{}{path}", self.address))
            .body(Empty::new())
            .ok()?;
        let response = tokio::time::timeout(Duration::from_secs(10), self.http.request(request))
            .await
            .ok()?
            .ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Waits until nothing is left to delete, and asserts that the backend holds exactly what rows
    /// refer to: as many files and bytes as the state counts, no more and no fewer.
    pub async fn assert_no_orphans(&self) {
        wait::until("a backend without orphans", PATIENCE, || async {
            let metric = |name| async move { self.metric(name).await.ok_or(format!("no metric {name}")) };
            let replicas = metric("s3o_backend_replicas").await?;
            let bytes = metric("s3o_quota_bytes_used").await?;
            let garbage = metric("s3o_backend_garbage").await?;
            let files = backend::attempts(&self.backend);
            let size: u64 = files.iter().map(|file| file.size).sum();
            if garbage == 0.0 && files.len() as f64 == replicas && size as f64 == bytes {
                return Ok(());
            }
            Err(format!(
                "{} files with {size} bytes lie there; the state counts {replicas} replicas with {bytes} bytes \
                 and {garbage} attempts to delete",
                files.len()
            ))
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the node at {} ---\n{}", self.address, self.log());
        }
        self.kill();
    }
}

/// The binary under test: built beside the tests.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("the folder of the build");
    let binary = folder.join("holdfast");
    assert!(
        binary.exists(),
        "{} is missing; build it with `cargo build -p node`",
        binary.display()
    );
    binary
}

fn write_private(path: &Path, content: &[u8]) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .expect("a private file");
    file.write_all(content).expect("its content");
}
