//! The node-local part.

use std::path::{Path, PathBuf};

use raft_types::NodeName;

use super::{Findings, climbs, invalid_name};
use crate::config::forms::ListenAddr;
use crate::config::master_key;
use crate::config::node::{
    HttpProtocols, LogFormat, LogLevel, LoggingConfig, MetadataConfig, MetricsConfig, NodeConfig, RootAnswer,
    ServerConfig, TlsConfig, TlsVersion,
};
use crate::config::tree::Section;
use crate::http::tls;

/// First segments of paths that the S3 listener answers itself while it is shared.
const RESERVED: [&str; 3] = ["health", "admin", "ui"];

pub(super) fn build(root: &Section, findings: &mut Findings) -> Option<NodeConfig> {
    let server = server(&root.section("server"), findings);
    let metrics = metrics(root, findings);
    if let Some(address) = metrics.as_ref().and_then(|metrics| metrics.address.as_ref())
        && address.collides_with(&server.listen_addr)
    {
        findings.problem(
            root.section("metrics").path_of("address"),
            format!(
                "is the address of the S3 listener, {}; leave it out to serve metrics there",
                server.listen_addr
            ),
        );
    }
    let data_dir = PathBuf::from(root.text("data_dir").unwrap_or_default());
    if climbs(&data_dir) {
        findings.problem("data_dir", "must not contain `..`");
    }
    let master_key = master_key::find(&root.section("encryption"), &mut findings.problems);
    let name = match NodeName::new(root.text("node_name")?) {
        Ok(name) => name,
        Err(invalid) => {
            findings.problem("node_name", invalid_name(&invalid));
            return None;
        }
    };
    Some(NodeConfig {
        name,
        data_dir,
        metadata: metadata(&root.section("metadata")),
        server,
        metrics,
        logging: logging(&root.section("logging")),
        master_key,
    })
}

fn metadata(section: &Section) -> MetadataConfig {
    let count = |key: &str| section.count(key).unwrap_or_default();
    let size = |key: &str| section.size(key).unwrap_or_default();
    let time = |key: &str| section.time(key).unwrap_or_default();
    MetadataConfig {
        snapshot_entries: count("snapshot_entries"),
        snapshot_size: size("snapshot_size"),
        snapshot_interval: time("snapshot_interval"),
        log_entries: count("log_entries"),
        log_size: size("log_size"),
        check_interval: time("check_interval"),
    }
}

fn server(section: &Section, findings: &mut Findings) -> ServerConfig {
    let time = |key: &str| section.time(key).unwrap_or_default();
    let small = |value: Option<u64>| {
        value
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or_default()
    };
    ServerConfig {
        listen_addr: section.address("listen_addr").cloned().unwrap_or_else(any_port),
        tls: tls(&section.section("tls"), findings),
        read_timeout: time("read_timeout"),
        write_timeout: time("write_timeout"),
        idle_timeout: time("idle_timeout"),
        read_header_timeout: time("read_header_timeout"),
        max_header_bytes: small(section.size("max_header_bytes")),
        max_connections: small(section.count("max_connections")),
        shutdown_delay: time("shutdown_delay"),
        drain_timeout: time("drain_timeout"),
        root: match section.flag("root_health") {
            Some(true) => RootAnswer::Health,
            _ => RootAnswer::S3,
        },
    }
}

fn any_port() -> ListenAddr {
    (std::net::Ipv4Addr::LOCALHOST, 0).into()
}

fn tls(section: &Section, findings: &mut Findings) -> Option<TlsConfig> {
    let (cert_file, key_file) = match (section.text("cert_file"), section.text("key_file")) {
        (Some(cert), Some(key)) => (PathBuf::from(cert), PathBuf::from(key)),
        (Some(_), None) if !section.gives("key_file") => {
            findings.problem(section.path_of("key_file"), "is required beside cert_file");
            return None;
        }
        (None, Some(_)) if !section.gives("cert_file") => {
            findings.problem(section.path_of("cert_file"), "is required beside key_file");
            return None;
        }
        (None, None) if section.gives("min_version") || section.gives("http2") => {
            findings.problem(
                &section.path,
                "is not switched on: cert_file and key_file are missing",
            );
            return None;
        }
        _ => return None,
    };
    let config = TlsConfig {
        cert_file,
        key_file,
        min_version: match section.choice("min_version") {
            Some("1.3") => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        },
        protocols: match section.flag("http2") {
            Some(true) => HttpProtocols::Http1AndHttp2,
            _ => HttpProtocols::Http1,
        },
    };
    if let Err(error) = tls::server_config(&config) {
        let key = match error.file() {
            tls::TlsFile::Certificate => "cert_file",
            tls::TlsFile::Key => "key_file",
        };
        findings.problem(section.path_of(key), error.to_string());
    }
    Some(config)
}

fn metrics(root: &Section, findings: &mut Findings) -> Option<MetricsConfig> {
    let here = root.section("metrics");
    let there = root.section("telemetry").section("metrics");
    for (key, same) in [("enabled", "enabled"), ("address", "listen"), ("path", "path")] {
        if here.gives(key) && there.gives(same) {
            findings.problem(
                there.path_of(same),
                format!("means the same as {}; give one of them", here.path_of(key)),
            );
        }
    }
    let path_key = if there.gives("path") {
        there.path_of("path")
    } else {
        here.path_of("path")
    };
    let path = there
        .text("path")
        .or_else(|| here.text("path"))
        .unwrap_or("/metrics");
    if let Some(why) = wrong_metrics_path(path) {
        findings.problem(path_key, why);
    }
    let enabled = there
        .flag("enabled")
        .or_else(|| here.flag("enabled"))
        .unwrap_or(true);
    let address = there
        .address("listen")
        .or_else(|| here.address("address"))
        .cloned();
    enabled.then(|| MetricsConfig {
        address,
        path: path.to_owned(),
    })
}

fn wrong_metrics_path(path: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    if !path.starts_with('/') || path.len() < 2 {
        return Some("begins with a slash and names something, as in /metrics");
    }
    if !path.bytes().all(plain) || path.contains("//") {
        return Some("consists of letters, digits and -_.~ between single slashes");
    }
    (first_segment(path) == "health").then_some("is a path of the health checks")
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Names that no bucket may bear, because the listener answers paths that begin with them itself.
pub(super) fn reserved_bucket_names(root: &Section) -> Vec<String> {
    let mut ignored = Findings::default();
    let metrics = metrics(root, &mut ignored);
    reserved_names(metrics.as_ref())
}

/// As [`reserved_bucket_names`], from the typed configuration.
pub(crate) fn reserved_names(metrics: Option<&MetricsConfig>) -> Vec<String> {
    let shared = metrics
        .filter(|metrics| metrics.address.is_none())
        .map(|metrics| first_segment(&metrics.path));
    RESERVED
        .iter()
        .copied()
        .chain([shared.unwrap_or("metrics")])
        .map(str::to_owned)
        .collect()
}

fn logging(section: &Section) -> LoggingConfig {
    LoggingConfig {
        level: match section.choice("level") {
            Some("trace") => LogLevel::Trace,
            Some("debug") => LogLevel::Debug,
            Some("warn") => LogLevel::Warn,
            Some("error") => LogLevel::Error,
            _ => LogLevel::Info,
        },
        format: match section.choice("format") {
            Some("text") => LogFormat::Text,
            _ => LogFormat::Json,
        },
    }
}

/// Whether one of the two folders lies in the other, or both are the same.
pub(super) fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
