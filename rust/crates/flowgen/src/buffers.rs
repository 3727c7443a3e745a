//! Buffers of UDP sockets: what is lost is then lost on the way, and not in this program.

use std::io;
use std::net::UdpSocket;

use rustix::net::sockopt;

/// Half a second of datagrams at 200 Mb/s.
const BYTES: usize = 16 << 20;

/// Let a socket hold as much as the kernel grants: all of it to root.
pub(crate) fn enlarge(socket: &UdpSocket) -> io::Result<()> {
    if sockopt::set_socket_recv_buffer_size_force(socket, BYTES).is_err() {
        sockopt::set_socket_recv_buffer_size(socket, BYTES)?;
    }
    Ok(sockopt::set_socket_send_buffer_size(socket, BYTES)?)
}
