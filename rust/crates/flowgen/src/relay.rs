//! A path between two UDP sockets: rate, queue, delay and loss, each way.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stdin;
use rustix::thread::set_current_timer_slack;
use std::num::NonZeroU64;
use tcp::Time;
use tcpsim::{Link, Path};

use crate::buffers;
use crate::control::{self, Control};

/// Datagrams that are read at once.
const MAX_BATCH: usize = 64;
/// The slack of timers: a thousandth of the shortest delay that is of use here.
const SLACK_NANOS: u64 = 1_000;
const SEEDS: (u64, u64) = (1, 2);

/// One direction.
struct Way {
    link: Link,
    from: UdpSocket,
}

/// Forward until standard input ends. The first datagram tells who the client is, as each later one does.
pub(crate) fn relay(at: SocketAddrV4, to: SocketAddrV4, path: &Path) -> io::Result<()> {
    set_current_timer_slack(NonZeroU64::new(SLACK_NANOS))?;
    let (near, far) = (UdpSocket::bind(at)?, UdpSocket::bind("0.0.0.0:0")?);
    far.connect(to)?;
    for socket in [&near, &far] {
        socket.set_nonblocking(true)?;
        buffers::enlarge(socket)?;
    }
    let mut up = Way { link: Link::new(path.clone(), SEEDS.0), from: near };
    let mut down = Way { link: Link::new(path.clone(), SEEDS.1), from: far };
    let mut client: Option<SocketAddr> = None;
    let start = Instant::now();
    control::print(&up.from.local_addr()?.to_string())?;
    loop {
        let now = Time::ZERO + start.elapsed();
        while let Some(datagram) = up.link.receive(now) {
            ignore_loss(down.from.send(&datagram))?;
        }
        while let Some(datagram) = down.link.receive(now) {
            if let Some(client) = client {
                ignore_loss(up.from.send_to(&datagram, client))?;
            }
        }
        if wait(&up, &down, Time::ZERO + start.elapsed())? {
            let report = || format!("{{\"up\": {}, \"down\": {}}}", up.report(), down.report());
            if control::answer(report)? == Control::End {
                return Ok(());
            }
        }
        let now = Time::ZERO + start.elapsed();
        if let Some(source) = up.read(now)? {
            client = Some(source);
        }
        down.read(now)?;
    }
}

impl Way {
    /// Take what has arrived, and return where the last of it came from.
    fn read(&mut self, now: Time) -> io::Result<Option<SocketAddr>> {
        let mut buffer = [0; 2048];
        let mut last = None;
        for _ in 0..MAX_BATCH {
            match self.from.recv_from(&mut buffer) {
                Ok((len, source)) => {
                    self.link.send(&buffer[..len], now);
                    last = Some(source);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    fn report(&self) -> String {
        let counters = self.link.counters();
        format!(
            "{{\"sent\": {}, \"bytes\": {}, \"lost\": {}, \"dropped\": {}}}",
            counters.sent, counters.sent_bytes, counters.lost, counters.dropped
        )
    }
}

/// Wait for a datagram, the next arrival or standard input; return whether the last can be read.
fn wait(up: &Way, down: &Way, now: Time) -> io::Result<bool> {
    let next = [up.link.next_arrival(), down.link.next_arrival()].into_iter().flatten().min();
    let timeout = next.and_then(|time| Timespec::try_from(time - now).ok());
    let mut files = [
        PollFd::from_borrowed_fd(stdin(), PollFlags::IN),
        PollFd::new(&up.from, PollFlags::IN),
        PollFd::new(&down.from, PollFlags::IN),
    ];
    match poll(&mut files, timeout.as_ref()) {
        Ok(_) => Ok(!files[0].revents().is_empty()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Take a send that the kernel refuses for what happened to an earlier datagram as one that is lost.
fn ignore_loss(sent: io::Result<usize>) -> io::Result<()> {
    match sent {
        Err(error) if !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::WouldBlock) => Err(error),
        _ => Ok(()),
    }
}
