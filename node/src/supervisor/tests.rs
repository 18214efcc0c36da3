#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::signals::Signal;
use super::*;
use crate::config::{ClusterSettings, Config, Loader};
use crate::lifecycle::{Lifecycle, Readiness, ReconfigureError};

/// Longer than anything here takes, shorter than a person waits.
const SOON: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("did not happen in time")
}

/// A node whose steps a test watches and holds.
#[derive(Clone)]
struct Node(Arc<Steps>);

struct Steps {
    taken: Mutex<Vec<&'static str>>,
    /// One permit per step that was taken.
    step: Semaphore,
    /// One permit per request that may be answered.
    answer: Semaphore,
    fail: Mutex<Option<oneshot::Receiver<Failure>>>,
    refuses_start: AtomicBool,
    refuses_settings: AtomicBool,
    starts: Semaphore,
    users: Mutex<usize>,
}

impl Node {
    fn new() -> Self {
        Self(Arc::new(Steps {
            taken: Mutex::default(),
            step: Semaphore::new(0),
            answer: Semaphore::new(0),
            fail: Mutex::default(),
            refuses_start: AtomicBool::new(false),
            refuses_settings: AtomicBool::new(false),
            starts: Semaphore::new(1),
            users: Mutex::new(0),
        }))
    }

    fn took(&self, step: &'static str) {
        self.0.taken.lock().push(step);
        self.0.step.add_permits(1);
    }

    fn taken(&self) -> Vec<&'static str> {
        self.0.taken.lock().clone()
    }

    async fn step(&self) {
        soon(self.0.step.acquire()).await.unwrap().forget();
    }
}

impl Assemble for Node {
    type S3 = Self;

    async fn assemble(self, config: Config) -> Result<Assembled<Self>, AssembleError> {
        self.took("assemble");
        self.0.starts.acquire().await?.forget();
        if self.0.refuses_start.load(Ordering::Relaxed) {
            return Err(format!("{} is damaged", config.node.data_dir.display()).into());
        }
        Ok(Assembled {
            s3: self.clone(),
            lifecycle: Arc::new(self),
        })
    }
}

impl Service<Request<Incoming>> for Node {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, _request: Request<Incoming>) -> Self::Future {
        let node = self.clone();
        async move {
            node.took("request");
            node.0.answer.acquire().await.unwrap().forget();
            Ok(Response::new(Full::from("answered")))
        }
        .boxed()
    }
}

impl Lifecycle for Node {
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn reconfigure<'a>(
        &'a self,
        settings: &'a ClusterSettings,
    ) -> BoxFuture<'a, Result<(), ReconfigureError>> {
        async {
            self.took("reconfigure");
            if self.0.refuses_settings.load(Ordering::Relaxed) {
                return Err(ReconfigureError("not those".to_owned()));
            }
            *self.0.users.lock() = settings.users.len();
            Ok(())
        }
        .boxed()
    }

    fn prepare_stop(&self) -> BoxFuture<'_, ()> {
        async { self.took("prepare") }.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        async { self.took("stop") }.boxed()
    }

    fn failed(&self) -> BoxFuture<'_, Failure> {
        let fail = self.0.fail.lock().take();
        async move {
            match fail {
                Some(fail) => fail.await.unwrap(),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct Test {
    signals: mpsc::Sender<Signal>,
    ready: Option<oneshot::Receiver<SocketAddr>>,
    running: JoinHandle<Result<(), RunError>>,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

const BASE: &str = "backends: [{name: disk, type: fs, path: /srv/holdfast}]\n";

impl Test {
    fn start(node: Node, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("holdfast.yaml");
        std::fs::write(&config, format!("{BASE}{extra}\n")).unwrap();
        let (signals, receiver) = Signals::of_test();
        let (sender, ready) = oneshot::channel();
        let file = config.clone();
        let reload: Reload = Arc::new(move || Loader::new().file(&file).load());
        let assembly = node;
        let running = tokio::spawn(async move {
            let process = Process {
                loaded: reload().unwrap(),
                assembly,
                reload,
                ready: Box::new(move |address| sender.send(address).unwrap()),
                metrics: Metrics::detached(),
                logs: None,
            };
            run_with(process, receiver).await
        });
        Self {
            signals,
            ready: Some(ready),
            running,
            config,
            _folder: folder,
        }
    }

    async fn ready(&mut self) -> SocketAddr {
        soon(self.ready.take().unwrap()).await.unwrap()
    }

    async fn signal(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
    }

    async fn ended(self) -> Result<(), RunError> {
        soon(self.running).await.unwrap()
    }
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

const LISTEN: &str = "server: {listen_addr: '127.0.0.1:0', shutdown_delay: 1h, drain_timeout: 1h}";
const LISTEN_BRIEFLY: &str = "server: {listen_addr: '127.0.0.1:0'}";

#[tokio::test]
async fn a_process_told_to_stop_is_unready_at_once_serves_on_then_drains_and_ends() {
    let node = Node::new();
    let mut test = Test::start(node.clone(), LISTEN);
    let address = test.ready().await;
    node.step().await;
    assert!(
        soon(get(address, "/health/ready"))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );

    test.signal(Signal::Stop).await;
    node.step().await;
    assert_eq!(node.taken(), ["assemble", "prepare"]);
    assert!(
        soon(get(address, "/health/ready"))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 503")
    );
    assert!(
        soon(get(address, "/health"))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let request = tokio::spawn(get(address, "/object"));
    node.step().await;

    // The second signal ends the wait, not the request.
    test.signal(Signal::Stop).await;
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!request.is_finished() && !test.running.is_finished());
    node.0.answer.add_permits(1);
    assert!(soon(request).await.unwrap().unwrap().ends_with("answered"));
    test.ended().await.unwrap();
    assert_eq!(node.taken(), ["assemble", "prepare", "request", "stop"]);
}

#[tokio::test]
async fn a_third_signal_cuts_requests_and_the_node_still_ends_in_order() {
    let node = Node::new();
    let mut test = Test::start(node.clone(), LISTEN);
    let address = test.ready().await;
    node.step().await;
    let request = tokio::spawn(get(address, "/object"));
    node.step().await;
    for _ in 0..3 {
        test.signal(Signal::Stop).await;
    }
    test.ended().await.unwrap();
    assert!(
        !soon(request)
            .await
            .unwrap()
            .unwrap_or_default()
            .contains("answered")
    );
    assert_eq!(node.taken().last(), Some(&"stop"));
}

#[tokio::test]
async fn health_answers_while_the_node_starts_and_a_signal_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let node = Node::new();
    node.0.starts.try_acquire().unwrap().forget();
    let test = Test::start(
        node.clone(),
        &format!(
            "server: {{listen_addr: '{free}'}}\ndata_dir: {}",
            folder.path().display()
        ),
    );
    node.step().await;
    assert!(
        soon(get(free, "/health"))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        soon(get(free, "/health/ready"))
            .await
            .unwrap()
            .starts_with("HTTP/1.1 503")
    );
    assert!(
        soon(get(free, "/object"))
            .await
            .unwrap()
            .contains("ServiceUnavailable")
    );
    test.signal(Signal::Stop).await;
    test.ended().await.unwrap();
    assert_eq!(node.taken(), ["assemble"]);
}

#[tokio::test]
async fn a_node_that_cannot_start_says_why() {
    let node = Node::new();
    node.0.refuses_start.store(true, Ordering::Relaxed);
    let error = Test::start(node, LISTEN_BRIEFLY).ended().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot start: /var/lib/holdfast is damaged");
}

#[tokio::test]
async fn a_node_that_cannot_go_on_ends_the_process_without_waiting_for_anybody() {
    let node = Node::new();
    let (fail, failed) = oneshot::channel();
    *node.0.fail.lock() = Some(failed);
    let mut test = Test::start(node.clone(), LISTEN);
    let address = test.ready().await;
    node.step().await;
    let request = tokio::spawn(get(address, "/object"));
    node.step().await;
    fail.send(Failure("fsync of the log failed".to_owned())).unwrap();
    let error = test.ended().await.unwrap_err();
    assert!(matches!(error, RunError::Failed(_)));
    assert_eq!(error.to_string(), "cannot go on: fsync of the log failed");
    assert_eq!(node.taken(), ["assemble", "request"], "nothing is ended in order");
    assert!(
        !soon(request)
            .await
            .unwrap()
            .unwrap_or_default()
            .contains("answered")
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_found_before_anything_is_assembled() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let node = Node::new();
    let error = Test::start(node.clone(), &format!("server: {{listen_addr: '{address}'}}"))
        .ended()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: another program listens there already")
    );
    let metrics = format!("{LISTEN_BRIEFLY}\nmetrics: {{address: '{address}'}}");
    assert!(matches!(
        Test::start(node.clone(), &metrics).ended().await,
        Err(RunError::Bind(_))
    ));
    assert!(node.taken().is_empty());
}

/// A configuration with one user more than [`BASE`] has.
fn with_a_user() -> String {
    let users = "users: [{access_key: a, secret_key: secret-1, allowed_buckets: ['*']}]";
    format!("{BASE}{LISTEN_BRIEFLY}\n{users}\n")
}

#[tokio::test]
async fn a_reload_hands_the_new_settings_over_while_requests_are_served() {
    let node = Node::new();
    let mut test = Test::start(node.clone(), LISTEN_BRIEFLY);
    let address = test.ready().await;
    node.step().await;
    let request = tokio::spawn(get(address, "/object"));
    node.step().await;
    std::fs::write(&test.config, with_a_user()).unwrap();
    test.signal(Signal::Reload).await;
    node.step().await;
    node.0.answer.add_permits(1);
    assert!(soon(request).await.unwrap().unwrap().ends_with("answered"));
    test.signal(Signal::Stop).await;
    test.ended().await.unwrap();
    assert_eq!(
        node.taken(),
        ["assemble", "request", "reconfigure", "prepare", "stop"]
    );
    assert_eq!(*node.0.users.lock(), 1);
}

#[tokio::test]
async fn a_broken_file_and_refused_settings_leave_the_process_as_it_was() {
    let broken = Node::new();
    let mut test = Test::start(broken.clone(), LISTEN_BRIEFLY);
    test.ready().await;
    std::fs::write(&test.config, "users: nonsense").unwrap();
    test.signal(Signal::Reload).await;
    test.signal(Signal::Stop).await;
    test.ended().await.unwrap();
    assert_eq!(broken.taken(), ["assemble", "prepare", "stop"]);

    let refusing = Node::new();
    refusing.0.refuses_settings.store(true, Ordering::Relaxed);
    let mut test = Test::start(refusing.clone(), LISTEN_BRIEFLY);
    test.ready().await;
    std::fs::write(&test.config, with_a_user()).unwrap();
    test.signal(Signal::Reload).await;
    test.signal(Signal::Stop).await;
    test.ended().await.unwrap();
    assert_eq!(refusing.taken(), ["assemble", "reconfigure", "prepare", "stop"]);
    assert_eq!(*refusing.0.users.lock(), 0);
}
