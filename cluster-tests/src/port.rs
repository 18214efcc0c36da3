//! Ports that stay a node's own while its process is down.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Ports tried before the machine counts as full.
const TRIES: usize = 1_000;
/// Fewer than these belong to services of the machine.
const LOWEST: u16 = 10_000;

/// A port of the loopback interface that no other test takes, and that the kernel gives to no
/// outgoing connection: between two lives of a node nobody listens on it, and a node that found it
/// taken would end a test that has found nothing wrong.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// Held as long as the port is: other test processes see it.
    _lock: File,
}

impl Port {
    /// Takes a port until this value is dropped.
    ///
    /// # Panics
    /// None is free.
    pub fn reserve() -> Self {
        let (folder, range) = (folder(), outside_the_ephemeral());
        fs::create_dir_all(&folder).expect("the folder of locks");
        for _ in 0..TRIES {
            let drawn = u64::from(getrandom::u32().expect("randomness"));
            let width = u64::from(range.end() - range.start()) + 1;
            let number =
                range.start() + u16::try_from(drawn % width).expect("below the width of a port range");
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(number.to_string()))
                .expect("a lock");
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => panic!("a lock of {}: {error}", folder.display()),
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
            if TcpListener::bind(address).is_ok() {
                return Self { address, _lock: lock };
            }
        }
        panic!("no port of {range:?} is free");
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One folder per user, since nobody may write to another's locks.
fn folder() -> PathBuf {
    let user = fs::metadata("/proc/self").expect("this process").uid();
    std::env::temp_dir().join(format!("holdfast-test-ports-{user}"))
}

fn outside_the_ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("the kernel's own ports");
    let mut ends = text
        .split_whitespace()
        .map(|end| end.parse::<u16>().expect("a port"));
    let (low, high) = (
        ends.next().expect("a first port"),
        ends.next().expect("a last port"),
    );
    if low > LOWEST {
        LOWEST..=low - 1
    } else {
        assert!(
            high < u16::MAX,
            "the kernel gives all ports to outgoing connections"
        );
        high + 1..=u16::MAX
    }
}
