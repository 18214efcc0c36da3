//! `holdfast demo`: a node on an embedded configuration, with a folder, a key and a bucket of its own.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use node_crypto::keys::create_key_file;

use crate::config::{CredentialSettings, Loaded, Loader, Secret};

/// The bucket that a demo begins with.
pub(crate) const BUCKET: &str = "demo";
/// The user that its words are written for.
const USER: &str = "demo";
/// Length of a generated access key, in characters: as long as those of AWS.
const ACCESS_KEY_LENGTH: usize = 20;
/// Random bytes of a generated secret; 40 characters in hex, as long as those of AWS.
const SECRET_BYTES: usize = 20;
/// The file of the generated key.
const CREDENTIALS: &str = "credentials";
/// The file of the generated master key.
const MASTER_KEY: &str = "master.key";

// What a demo is asked for. No doc comment: clap would show it.
#[derive(Args, Clone)]
pub(crate) struct DemoArgs {
    /// How many nodes. Clusters are not built yet, so it can only be 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    nodes: u32,
    /// Folder of everything that the demo keeps.
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    /// Port of the first node's S3 listener.
    #[arg(long, value_name = "P", default_value_t = 9000)]
    port: u16,
    /// Access key; generated and kept in the folder where none is given.
    #[arg(
        long,
        value_name = "K",
        env = "HOLDFAST_DEMO_ACCESS_KEY",
        requires = "secret_key"
    )]
    access_key: Option<String>,
    /// Its secret. Better given by the environment, where no process list shows it.
    #[arg(
        long,
        value_name = "S",
        env = "HOLDFAST_DEMO_SECRET_KEY",
        requires = "access_key",
        hide_env_values = true
    )]
    secret_key: Option<String>,
    /// How many backends. Copies on several are not built yet, so it can only be 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    backends: u32,
    /// Configuration that is merged over the embedded one; its buckets and users are added.
    #[arg(long, value_name = "OVERLAY.yaml")]
    config: Option<PathBuf>,
}

/// What a demo runs on.
#[derive(Clone)]
pub(crate) struct Demo {
    data: PathBuf,
    embedded: Secret,
    overlay: Option<PathBuf>,
}

/// Why a demo cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Something was asked for that does not exist yet.
    #[error("{0}")]
    NotBuilt(&'static str),
    /// A file or folder could not be made or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The master key could not be made.
    #[error(transparent)]
    Key(#[from] node_crypto::keys::KeyFileError),
    /// The kept key cannot be read.
    #[error("{} does not hold an access key and a secret on two lines; remove it to get new ones", .0.display())]
    Credentials(PathBuf),
    /// The configuration could not name the folder.
    #[error("the path of {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// No randomness.
    #[error("the operating system gave no random numbers: {0}")]
    Random(getrandom::Error),
}

#[derive(Clone)]
struct Credentials {
    access_key: String,
    secret_key: Secret,
}

/// What to tell the person who started a demo, once it serves.
pub(crate) struct Welcome {
    data: PathBuf,
    credential: CredentialSettings,
    scheme: &'static str,
}

impl Demo {
    /// Makes the folder, the key and the configuration, or finds them again.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn prepare(args: &DemoArgs) -> Result<Self, DemoError> {
        if args.nodes != 1 {
            return Err(DemoError::NotBuilt(
                "clusters are not built yet: --nodes can only be 1",
            ));
        }
        if args.backends != 1 {
            return Err(DemoError::NotBuilt(
                "copies on several backends are not built yet: --backends can only be 1",
            ));
        }
        make_folder(&args.data)?;
        let data = fs::canonicalize(&args.data).map_err(io_error("find", &args.data))?;
        if data.to_str().is_none() {
            return Err(DemoError::NotText(data));
        }
        let backend = data.join("backend-1");
        make_folder(&backend)?;
        let master_key = data.join(MASTER_KEY);
        if !master_key.exists() {
            create_key_file(&master_key)?;
        }
        let credentials = match (&args.access_key, &args.secret_key) {
            (Some(access_key), Some(secret_key)) => Credentials {
                access_key: access_key.clone(),
                secret_key: Secret::new(secret_key.clone()),
            },
            _ => kept_credentials(&data.join(CREDENTIALS))?,
        };
        let embedded = Secret::new(embedded(&data, &backend, &master_key, args.port, &credentials));
        Ok(Self {
            data,
            embedded,
            overlay: args.config.clone(),
        })
    }

    /// The configuration: embedded, with the overlay over it.
    pub(crate) fn loader(&self) -> Loader {
        let loader = Loader::new().text("the embedded configuration", self.embedded.expose());
        match &self.overlay {
            Some(overlay) => loader.overlay(overlay),
            None => loader,
        }
    }

    /// The folder of everything that the demo keeps.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What to tell once requests are served; `None` where the overlay gives the demo's user no key
    /// that could be told.
    pub(crate) fn welcome(&self, loaded: &Loaded) -> Option<Welcome> {
        let users = &loaded.config.cluster.users;
        let user = users.iter().find(|user| user.name.as_str() == USER)?;
        Some(Welcome {
            data: self.data.clone(),
            credential: user.credential.clone(),
            scheme: match loaded.config.node.server.tls {
                Some(_) => "https",
                None => "http",
            },
        })
    }
}

impl Welcome {
    /// The words of a demo that serves at `address`.
    pub(crate) fn at(&self, address: SocketAddr) -> impl fmt::Display + '_ {
        Words {
            welcome: self,
            address,
        }
    }
}

struct Words<'a> {
    welcome: &'a Welcome,
    address: SocketAddr,
}

fn embedded(data: &Path, backend: &Path, master_key: &Path, port: u16, credentials: &Credentials) -> String {
    let Credentials {
        access_key,
        secret_key,
    } = credentials;
    format!(
        "server:\n  listen_addr: \"127.0.0.1:{port}\"\n\
         data_dir: {}\n\
         logging:\n  format: text\n  level: warn\n\
         encryption:\n  enabled: true\n  master_key_file: {}\n\
         backends:\n  - name: backend-1\n    type: fs\n    path: {}\n\
         buckets:\n  - name: {BUCKET}\n\
         users:\n  - name: {USER}\n    access_key_id: {}\n    secret_access_key: {}\n    allowed_buckets: [\"*\"]\n",
        scalar(&data.join("node-1").display().to_string()),
        scalar(&master_key.display().to_string()),
        scalar(&backend.display().to_string()),
        scalar(access_key),
        scalar(secret_key.expose()),
    )
}

/// A text as a YAML scalar that stands for exactly it: quoted, and with its dollars doubled, since
/// `${…}` in it is the caller's own text.
fn scalar(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Welcome {
            data,
            credential,
            scheme,
        } = self.welcome;
        let access_key = &credential.access_key_id;
        let secret_key = credential.secret_access_key.expose();
        let mut address = self.address;
        // What listens on every interface is reached by this one.
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let endpoint = format!("{scheme}://{address}");
        write!(
            f,
            "\nHoldfast serves S3 at {endpoint}, on {}\n\n\
             \x20 access key  {access_key}\n\
             \x20 secret key  {secret_key}\n\n\
             Try it:\n\n\
             \x20 export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_DEFAULT_REGION=us-east-1\n\
             \x20 echo hello | aws --endpoint-url {endpoint} s3 cp - s3://{BUCKET}/hello.txt\n\
             \x20 aws --endpoint-url {endpoint} s3 ls s3://{BUCKET}/\n\n\
             Ctrl-C stops it; started again it finds its data.\n",
            data.display(),
            shell_word(access_key),
            shell_word(secret_key),
        )
    }
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=');
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn kept_credentials(path: &Path) -> Result<Credentials, DemoError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut lines = text.lines().map(str::to_owned);
            match (lines.next(), lines.next(), lines.next()) {
                (Some(access_key), Some(secret_key), None)
                    if !access_key.is_empty() && !secret_key.is_empty() =>
                {
                    Ok(Credentials {
                        access_key,
                        secret_key: Secret::new(secret_key),
                    })
                }
                _ => Err(DemoError::Credentials(path.to_owned())),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let credentials = draw_credentials()?;
            keep(path, &credentials).map_err(io_error("write", path))?;
            Ok(credentials)
        }
        Err(error) => Err(io_error("read", path)(error)),
    }
}

fn draw_credentials() -> Result<Credentials, DemoError> {
    /// Letters and digits that an access key of AWS consists of.
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut drawn = [0; ACCESS_KEY_LENGTH];
    getrandom::fill(&mut drawn).map_err(DemoError::Random)?;
    let access_key = drawn
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect();
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(DemoError::Random)?;
    Ok(Credentials {
        access_key,
        secret_key: Secret::new(hex::encode(secret)),
    })
}

/// Written under another name first, so that a crash leaves the whole file or none.
fn keep(path: &Path, credentials: &Credentials) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    write!(
        file,
        "{}\n{}\n",
        credentials.access_key,
        credentials.secret_key.expose()
    )?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn make_folder(path: &Path) -> Result<(), DemoError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_error("make the folder", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::Io { action, path, source }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn args(data: &Path) -> DemoArgs {
        DemoArgs {
            nodes: 1,
            data: data.to_owned(),
            port: 9000,
            access_key: None,
            secret_key: None,
            backends: 1,
            config: None,
        }
    }

    fn words(demo: &Demo, address: &str) -> String {
        let loaded = demo.loader().load().unwrap();
        let welcome = demo.welcome(&loaded).unwrap();
        welcome.at(address.parse().unwrap()).to_string()
    }

    #[test]
    fn the_embedded_configuration_is_whole_and_a_second_demo_finds_its_key_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("with space \"and\" $quotes");
        let first = Demo::prepare(&args(&data)).unwrap();
        let second = Demo::prepare(&args(&data)).unwrap();
        assert_eq!(words(&first, "0.0.0.0:9123"), words(&second, "0.0.0.0:9123"));
        assert!(words(&first, "0.0.0.0:9123").contains("http://127.0.0.1:9123"));
        let loaded = first.loader().load().unwrap();
        assert_eq!(loaded.config.cluster.buckets[0].name.as_str(), BUCKET);
        assert_eq!(loaded.config.cluster.users.len(), 1);
    }

    #[test]
    fn what_the_demo_makes_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("demo");
        Demo::prepare(&args(&data)).unwrap();
        for (name, expected) in [
            ("", 0o700),
            ("backend-1", 0o700),
            ("credentials", 0o600),
            ("master.key", 0o600),
        ] {
            let mode = fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, expected, "{name}");
        }
    }

    #[test]
    fn given_keys_are_used_and_not_kept_and_an_overlay_goes_over_the_embedded_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = folder.path().join("overlay.yaml");
        fs::write(&overlay, "server: {shutdown_delay: 3s}").unwrap();
        let asked = DemoArgs {
            access_key: Some("given-key".to_owned()),
            secret_key: Some("it's $ecret".to_owned()),
            config: Some(overlay),
            ..args(folder.path())
        };
        let demo = Demo::prepare(&asked).unwrap();
        let config = demo.loader().load().unwrap().config;
        assert_eq!(
            config.cluster.users[0].credential.secret_access_key.expose(),
            "it's $ecret"
        );
        assert_eq!(config.node.server.shutdown_delay.as_secs(), 3);
        assert!(!folder.path().join(CREDENTIALS).exists());
        let words = words(&demo, "127.0.0.1:1");
        assert!(
            words.contains(r"AWS_SECRET_ACCESS_KEY='it'\''s $ecret'"),
            "{words}"
        );
    }

    #[test]
    fn buckets_and_users_of_an_overlay_are_added_and_those_of_the_demo_stay() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = folder.path().join("overlay.yaml");
        fs::write(
            &overlay,
            "buckets: [{name: photos, credentials: [{access_key_id: p, secret_access_key: secret-of-p}]}]\n\
             users: [{name: other, access_key_id: o, secret_access_key: secret-of-o, allowed_buckets: [photos]}]\n",
        )
        .unwrap();
        let asked = DemoArgs {
            config: Some(overlay.clone()),
            ..args(folder.path())
        };
        let demo = Demo::prepare(&asked).unwrap();
        let cluster = demo.loader().load().unwrap().config.cluster;
        let buckets: Vec<_> = cluster
            .buckets
            .iter()
            .map(|bucket| bucket.name.as_str())
            .collect();
        let users: Vec<_> = cluster.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!((buckets, users), (vec!["photos", BUCKET], vec!["other", USER]));

        // Its own words about the bucket and the user take the place of ours, and are what is told.
        fs::write(
            &overlay,
            "buckets: [{name: demo, credentials: [{access_key_id: d, secret_access_key: secret-of-d}]}]\n\
             users: [{name: demo, access_key_id: mine, secret_access_key: secret-of-mine, allowed_buckets: ['*']}]\n",
        )
        .unwrap();
        let cluster = demo.loader().load().unwrap().config.cluster;
        assert_eq!((cluster.buckets.len(), cluster.users.len()), (1, 1));
        assert_eq!(cluster.buckets[0].credentials.len(), 1);
        assert!(words(&demo, "127.0.0.1:1").contains("AWS_SECRET_ACCESS_KEY=secret-of-mine"));
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CREDENTIALS), "only one line").unwrap();
        assert!(matches!(
            Demo::prepare(&args(folder.path())),
            Err(DemoError::Credentials(_))
        ));
    }

    #[test]
    fn what_is_not_built_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        for (nodes, backends) in [(3, 1), (1, 2)] {
            let asked = DemoArgs {
                nodes,
                backends,
                ..args(folder.path())
            };
            assert!(matches!(Demo::prepare(&asked), Err(DemoError::NotBuilt(_))));
        }
    }
}
