//! Taking a port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::{ListenAddr, ListenHost};

/// Connections that the kernel completes before they are accepted: enough for the moment in which
/// every client of a restarted node comes back. The system caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A port that was taken and does not serve yet.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    address: SocketAddr,
}

/// Why a port could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", reason(source))]
pub struct BindError {
    address: ListenAddr,
    source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there already".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not permit this port".to_owned(),
        _ => error.to_string(),
    }
}

impl Listener {
    /// The address that was taken; tells the port where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes the port. Connections wait in the kernel until a server accepts them.
///
/// # Errors
/// Why it could not be taken. Must be called within a tokio runtime.
pub fn bind(address: &ListenAddr) -> Result<Listener, BindError> {
    let listener = candidates(address)
        .and_then(|candidates| first_that_works(&candidates))
        .map_err(|source| BindError {
            address: address.clone(),
            source,
        })?;
    Ok(listener)
}

/// What the address stands for, best first.
fn candidates(address: &ListenAddr) -> io::Result<Vec<SocketAddr>> {
    Ok(match &address.host {
        // An IPv6 socket takes IPv4 too; where there is no IPv6, IPv4 is every interface.
        ListenHost::Any => {
            vec![
                (Ipv6Addr::UNSPECIFIED, address.port).into(),
                (Ipv4Addr::UNSPECIFIED, address.port).into(),
            ]
        }
        ListenHost::Ip(ip) => vec![SocketAddr::new(*ip, address.port)],
        ListenHost::Name(name) => (name.as_str(), address.port).to_socket_addrs()?.collect(),
    })
}

fn first_that_works(candidates: &[SocketAddr]) -> io::Result<Listener> {
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in candidates {
        match listen(*address) {
            Ok(listener) => return Ok(listener),
            // A port that is taken is taken; listening on less than was asked for would hide that.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted process takes the port although connections of the one before linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}
