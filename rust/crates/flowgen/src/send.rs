//! Datagrams at a steady rate.

use std::io::{self, ErrorKind};
use std::net::{SocketAddrV4, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::control;

/// The time between two trains of datagrams.
const INTERVAL: Duration = Duration::from_millis(1);

/// Send for a time, and print how many datagrams there were. The rate counts their payload.
pub(crate) fn send(to: SocketAddrV4, bits_per_second: f64, bytes: usize, time: Duration) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(to)?;
    let payload = vec![0; bytes];
    let per_second = bits_per_second / 8.0 / bytes as f64;
    let start = Instant::now();
    let mut sent = 0_u64;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * per_second) as u64;
        while sent < due {
            match socket.send(&payload) {
                Ok(_) => sent += 1,
                // The far socket may not be there yet; a full queue of the device is this program's own doing.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => sent += 1,
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => break,
                Err(error) => return Err(error),
            }
        }
        sleep(INTERVAL);
    }
    let seconds = start.elapsed().as_secs_f64();
    control::print(&format!("{{\"sent\": {sent}, \"seconds\": {seconds:.6}}}"))
}
