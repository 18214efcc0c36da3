//! The servers under measurement: Holdfast itself, and Debian's nginx as a reverse proxy before a
//! second nginx. Each is a process of its own with its own folder and ports, ended by its id.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to stop after SIGTERM before the benchmark fails.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How often a starting or stopping server is looked at: rarely enough not to take its core.
const POLL: Duration = Duration::from_millis(2);

/// Why a server could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// A file or a process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The process ended or stayed silent.
    #[error("{name} is not ready after {} s", START_LIMIT.as_secs())]
    NotReady {
        /// Which server.
        name: &'static str,
    },
    /// The process did not end.
    #[error("{name} did not stop within {} s", STOP_LIMIT.as_secs())]
    NotStopped {
        /// Which server.
        name: &'static str,
    },
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServerError {
    let what = what.into();
    move |source| ServerError::Io { what, source }
}

/// A port of the loopback interface that nobody uses at this moment.
pub(crate) fn free_address() -> Result<SocketAddr, ServerError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("find a free port"))?;
    listener.local_addr().map_err(io("find a free port"))
}

/// One Holdfast node.
pub(crate) struct Holdfast {
    child: Child,
    /// Where it serves S3.
    pub(crate) address: SocketAddr,
    /// From start of the process until it was ready.
    pub(crate) ready_after: Duration,
}

/// What a node is started with.
pub(crate) struct HoldfastSetup<'a> {
    /// The binary.
    pub(crate) binary: &'a Path,
    /// Configuration, data and log lie here.
    pub(crate) folder: &'a Path,
    /// The folder of its `fs` backend.
    pub(crate) backend: &'a Path,
    /// Credentials of its only user.
    pub(crate) access_key: &'a str,
    /// See `access_key`.
    pub(crate) secret_key: &'a str,
}

impl Holdfast {
    /// Starts a node on an embedded configuration and waits until it is ready.
    pub(crate) fn start(setup: &HoldfastSetup<'_>) -> Result<Holdfast, ServerError> {
        let address = free_address()?;
        let folder = setup.folder;
        fs::create_dir_all(folder).map_err(io(format!("create {}", folder.display())))?;
        fs::create_dir_all(setup.backend).map_err(io(format!("create {}", setup.backend.display())))?;
        let key = folder.join("master.key");
        if !key.exists() {
            let mut bytes = [0; 32];
            fs::File::open("/dev/urandom")
                .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut bytes))
                .map_err(io("draw a master key"))?;
            write_private(&key, &bytes)?;
        }
        let configuration = format!(
            "server:\n  listen_addr: \"{address}\"\n  shutdown_delay: 0s\n\
             data_dir: {data}\n\
             logging:\n  level: warn\n\
             encryption:\n  enabled: true\n  master_key_file: {key}\n\
             backends:\n  - name: bench\n    type: fs\n    path: {backend}\n\
             users:\n  - access_key_id: {access}\n    secret_access_key: {secret}\n    allowed_buckets: [\"*\"]\n",
            data = folder.join("data").display(),
            key = key.display(),
            backend = setup.backend.display(),
            access = setup.access_key,
            secret = setup.secret_key,
        );
        let file = folder.join("holdfast.yaml");
        write_private(&file, configuration.as_bytes())?;
        let log = fs::File::create(folder.join("holdfast.log")).map_err(io("create the log"))?;
        let begun = Instant::now();
        let child = Command::new(setup.binary)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(io(format!("start {}", setup.binary.display())))?;
        let mut node = Holdfast {
            child,
            address,
            ready_after: Duration::ZERO,
        };
        node.wait_until_ready(begun)?;
        Ok(node)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the node by SIGTERM and waits for it.
    pub(crate) fn stop(mut self) -> Result<(), ServerError> {
        terminate(&mut self.child, "holdfast")
    }

    fn wait_until_ready(&mut self, begun: Instant) -> Result<(), ServerError> {
        while begun.elapsed() < START_LIMIT {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            if status_of(self.address, "/health/ready") == Some(200) {
                self.ready_after = begun.elapsed();
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        Err(ServerError::NotReady { name: "holdfast" })
    }
}

impl Drop for Holdfast {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two nginx processes: a reverse proxy with keep-alive to an origin that serves files.
pub(crate) struct Nginx {
    proxy: Child,
    origin: Child,
    /// Where the proxy answers.
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Serves the files of `root` through proxy and origin; its own files lie in `folder`.
    pub(crate) fn start(folder: &Path, root: &Path) -> Result<Nginx, ServerError> {
        let origin_address = free_address()?;
        let address = free_address()?;
        let origin = format!(
            "server {{ listen {origin_address} reuseport backlog=1024; root {}; location / {{ }} }}",
            root.display()
        );
        let proxy = format!(
            "upstream origin {{ server {origin_address}; keepalive 128; }}\n\
             server {{ listen {address} reuseport backlog=1024; location / {{ proxy_pass http://origin; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffers 16 64k; }} }}"
        );
        let origin = start_nginx(&folder.join("origin"), &origin)?;
        let proxy = start_nginx(&folder.join("proxy"), &proxy)?;
        let nginx = Nginx {
            proxy,
            origin,
            address,
        };
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            if status_of(origin_address, "/").is_some() && status_of(address, "/").is_some() {
                return Ok(nginx);
            }
            std::thread::sleep(POLL);
        }
        Err(ServerError::NotReady { name: "nginx" })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        for child in [&mut self.proxy, &mut self.origin] {
            if terminate(child, "nginx").is_err() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn start_nginx(folder: &Path, server: &str) -> Result<Child, ServerError> {
    fs::create_dir_all(folder.join("tmp")).map_err(io(format!("create {}", folder.display())))?;
    let configuration = format!(
        "daemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; \
         open_file_cache max=20000; client_body_temp_path {folder}/tmp/body; proxy_temp_path {folder}/tmp/proxy; \
         fastcgi_temp_path {folder}/tmp/fastcgi; uwsgi_temp_path {folder}/tmp/uwsgi; \
         scgi_temp_path {folder}/tmp/scgi;\n{server}\n}}\n",
        folder = folder.display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration).map_err(io(format!("write {}", file.display())))?;
    let binary = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
    Command::new(binary.unwrap_or_else(|| PathBuf::from("nginx")))
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io("start nginx (make bench installs it)"))
}

/// Asks for a page over a connection of its own; the status, or `None` where nobody answers.
fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

/// SIGTERM by process id, then waits for the end.
fn terminate(child: &mut Child, name: &'static str) -> Result<(), ServerError> {
    Command::new("kill")
        .arg("-TERM")
        .arg(child.id().to_string())
        .status()
        .map_err(io(format!("stop {name}")))?;
    let begun = Instant::now();
    while begun.elapsed() < STOP_LIMIT {
        if child
            .try_wait()
            .map_err(io(format!("wait for {name}")))?
            .is_some()
        {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    Err(ServerError::NotStopped { name })
}

/// Writes a file that only its owner may read: it holds a key or a secret.
fn write_private(path: &Path, content: &[u8]) -> Result<(), ServerError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(io(format!("create {}", path.display())))?;
    file.write_all(content)
        .map_err(io(format!("write {}", path.display())))
}
