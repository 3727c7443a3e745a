//! The UAPI over a real Unix socket: requests, errors, hostile clients, and the socket file.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use device::control::{Control, ControlError};
use device::uapi::{
    ClientError, ListenError, Listener, MAX_LINE_BYTES, MAX_MESSAGE_BYTES, Notice, PathError, Server, client,
    interfaces, socket_path,
};
use proto::change::{InterfaceChange, PeerChange};
use proto::key::{PresharedKey, PrivateKey, PublicKey};
use proto::status::{InterfaceStatus, PeerStatus};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

/// Long enough for a machine under load; nothing here takes more than milliseconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An interface without packets, which stores its configuration.
#[derive(Default)]
struct Interface {
    status: Mutex<InterfaceStatus>,
}

impl Control for Interface {
    fn apply(&self, change: InterfaceChange) -> Result<(), ControlError> {
        let mut status = self.status.lock().unwrap();
        if change.listen_port == Some(1) {
            return Err(ControlError::Port { port: 1, source: ErrorKind::AddrInUse.into() });
        }
        if change.listen_port == Some(2) {
            return Err(ControlError::Port { port: 2, source: std::io::Error::from_raw_os_error(13) });
        }
        status.listen_port = change.listen_port.unwrap_or(status.listen_port);
        status.private_key = change.private_key.unwrap_or(status.private_key.take());
        status.peers.extend(change.peers.iter().map(|peer| PeerStatus {
            public_key: peer.public_key,
            preshared_key: peer.preshared_key.clone().unwrap_or_default(),
            endpoint: peer.endpoint,
            last_handshake: Duration::ZERO,
            rx_bytes: 0,
            tx_bytes: 0,
            persistent_keepalive_interval: 0,
            allowed_ips: Vec::new(),
            probe_address: None,
            path_mtu: None,
        }));
        Ok(())
    }

    fn status(&self) -> Result<InterfaceStatus, ControlError> {
        Ok(self.status.lock().unwrap().clone())
    }
}

/// A served interface `wg0` in a directory of its own.
struct Served {
    directory: TempDir,
    interface: Arc<Interface>,
    notices: Arc<Mutex<Vec<String>>>,
    server: Server,
}

impl Served {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let listener = Listener::open(directory.path(), "wg0").unwrap();
        Self::on(directory, listener)
    }

    fn on(directory: TempDir, listener: Listener) -> Self {
        let (interface, notices) = (Arc::new(Interface::default()), Arc::new(Mutex::new(Vec::new())));
        let recorded = Arc::clone(&notices);
        let observer = Arc::new(move |notice: Notice| recorded.lock().unwrap().push(format!("{notice:?}")));
        let server = Server::start(listener, interface.clone(), observer).unwrap();
        Self { directory, interface, notices, server }
    }

    /// Return a server that creates its file again.
    fn reopening() -> Self {
        let directory = TempDir::new().unwrap();
        let listener = Listener::open(&directory.path().join("below"), "wg0").unwrap();
        let (interface, notices) = (Arc::new(Interface::default()), Arc::new(Mutex::new(Vec::new())));
        let server = Server::start_reopening(listener, interface.clone(), Arc::new(|_| {})).unwrap();
        Self { directory, interface, notices, server }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("wg0.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
    }

    /// Return the response to `request`, after which the client closes its side.
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have closed the connection already, after an endless request.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn port(&self) -> u16 {
        self.interface.status.lock().unwrap().listen_port
    }

    fn ended(&self, timeout: Duration) -> bool {
        let timeout = Timespec { tv_sec: timeout.as_secs().try_into().unwrap(), tv_nsec: 0 };
        let mut sources = [PollFd::from_borrowed_fd(self.server.ended(), PollFlags::empty())];
        poll(&mut sources, Some(&timeout)).unwrap() == 1
    }

    fn works(&self) -> bool {
        client::get(self.directory.path(), "wg0").unwrap() == *self.interface.status.lock().unwrap()
    }
}

fn until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < TIMEOUT, "it did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn exchange(stream: &mut UnixStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\n\n") {
        let mut octets = [0; 4096];
        let count = stream.read(&mut octets).unwrap();
        assert!(count > 0, "ended after {answer:?}");
        answer.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    answer
}

#[test]
fn a_set_changes_the_state_that_get_returns() {
    let served = Served::new();
    let mut peer = PeerChange::new(PublicKey::from_bytes([3; 32]));
    peer.preshared_key = Some(PresharedKey::from_bytes([4; 32]));
    peer.endpoint = Some("[fe80::1%3]:5".parse().unwrap());
    let key = PrivateKey::from_bytes([5; 32]);
    let change = InterfaceChange {
        private_key: Some(Some(key.clone())),
        listen_port: Some(51820),
        peers: vec![peer],
        ..InterfaceChange::default()
    };
    client::set(served.directory.path(), "wg0", &change).unwrap();
    let status = client::get(served.directory.path(), "wg0").unwrap();
    assert_eq!((status.private_key, status.listen_port), (Some(key), 51820));
    assert_eq!(status.peers, served.interface.status.lock().unwrap().peers);
}

#[test]
fn a_state_larger_than_every_buffer_is_transferred() {
    let served = Served::new();
    let peers = (0..10_000u32).map(|n| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        PeerChange::new(PublicKey::from_bytes(key))
    });
    let change = InterfaceChange { peers: peers.collect(), ..InterfaceChange::default() };
    client::set(served.directory.path(), "wg0", &change).unwrap();
    assert_eq!(served.interface.status.lock().unwrap().peers.len(), 10_000);
    assert!(served.works());
}

#[test]
fn one_connection_carries_pipelined_requests() {
    let served = Served::new();
    let mut stream = served.connect();
    assert_eq!(exchange(&mut stream, "get=1\n\n"), "errno=0\n\n");
    assert_eq!(exchange(&mut stream, "set=1\nlisten_port=7\n\n"), "errno=0\n\n");
    assert_eq!(exchange(&mut stream, "get=1\n\n"), "listen_port=7\nerrno=0\n\n");
    assert_eq!(
        served.answer(b"set=1\nlisten_port=8\n\nget=1\n\nset=1\n\n"),
        "errno=0\n\nlisten_port=8\nerrno=0\n\nerrno=0\n\n"
    );
}

#[test]
fn the_request_after_a_rejected_one_is_processed() {
    let served = Served::new();
    let mut stream = served.connect();
    assert_eq!(exchange(&mut stream, "set=1\nlisten_port=7\nfwmark=x\npublic_key=1\n\n"), "errno=-22\n\n");
    assert_eq!(served.port(), 0, "a refused change was carried out in part");
    assert_eq!(exchange(&mut stream, "set=1\nlisten_port\n\n"), "errno=-71\n\n");
    assert_eq!(exchange(&mut stream, "get=1\nlisten_port=7\n\n"), "errno=-22\n\n");
    assert_eq!(exchange(&mut stream, "get=1\n\n"), "errno=0\n\n");
    assert!(served.notices.lock().unwrap()[0].contains("line 3: fwmark: expected"));
}

#[test]
fn a_rejected_change_is_answered_with_its_errno() {
    let served = Served::new();
    assert_eq!(served.answer(b"set=1\nlisten_port=1\n\n"), "errno=-5\n\n");
    assert_eq!(served.answer(b"set=1\nlisten_port=2\n\n"), "errno=-13\n\n");
    let change = InterfaceChange { listen_port: Some(2), ..InterfaceChange::default() };
    let error = client::set(served.directory.path(), "wg0", &change).unwrap_err();
    assert!(matches!(error, ClientError::Refused { source, .. } if source.kind() == ErrorKind::PermissionDenied));
}

#[test]
fn an_incomplete_request_changes_nothing() {
    let served = Served::new();
    for half in ["set=1\nlisten_port=7\n", "set=1\nlisten_port=7", "set=1", "s", "get=1\n"] {
        assert_eq!(served.answer(half.as_bytes()), "errno=-71\n\n", "{half:?}");
    }
    assert_eq!(served.answer(b""), "");
    assert_eq!(served.port(), 0);
    assert!(served.works());
}

#[test]
fn an_invalid_request_closes_the_connection() {
    let served = Served::new();
    let trash: Vec<u8> = (0..=255).filter(|octet| *octet != b'\n').collect();
    for request in
        [&b"\n"[..], b"get=2\n\n", b"GET / HTTP/1.1\r\n\r\n", b"set=1\r\n\r\n", &[trash.as_slice(), b"\n"].concat()]
    {
        assert_eq!(served.answer(request), "errno=-71\n\n", "{request:?}");
    }
    assert!(served.works());
}

#[test]
fn a_too_long_line_is_rejected() {
    let served = Served::new();
    let line = |length: usize| [b"set=1\n".to_vec(), vec![b'x'; length], b"\n\n".to_vec()].concat();
    assert_eq!(served.answer(&line(MAX_LINE_BYTES)), "errno=-71\n\n", "too long is not what is wrong with it");
    assert_eq!(served.answer(&line(MAX_LINE_BYTES + 1)), "errno=-90\n\n");
    // Endless, with neither an end nor a newline.
    assert!(["errno=-90\n\n", ""].contains(&served.answer(&vec![b'x'; 1 << 20]).as_str()));
    assert!(served.works());
}

#[test]
fn a_too_long_message_is_rejected() {
    let served = Served::new();
    let mut stream = served.connect();
    let line = [vec![b'x'; MAX_LINE_BYTES - 1], b"=\n".to_vec()].concat();
    let endless = line.repeat(1 << 10);
    let mut sent = 6;
    let refused = stream.write_all(b"set=1\n").is_err()
        || loop {
            match stream.write_all(&endless) {
                Ok(()) => sent += endless.len(),
                Err(_) => break true,
            }
            if sent > 2 * MAX_MESSAGE_BYTES {
                break false;
            }
        };
    assert!(refused, "{sent} octets were taken for one message");
    assert_eq!(served.port(), 0);
    assert!(served.works());
}

#[test]
fn clients_that_hang_do_not_stop_others() {
    let served = Served::new();
    let mut silent: Vec<_> = (0..200).map(|_| served.connect()).collect();
    silent.iter_mut().for_each(|stream| drop(stream.write_all(b"set=1\nlisten_port=7\n")));
    let mut deaf: Vec<_> = (0..200).map(|_| served.connect()).collect();
    deaf.iter_mut().for_each(|stream| drop(stream.write_all(b"get=1\n\n")));
    assert!(served.works());
    assert_eq!(served.port(), 0);
}

#[test]
fn the_client_that_is_at_work_is_not_the_one_to_go() {
    let served = Served::new();
    let (mut busy, mut silent) = (served.connect(), Vec::new());
    for _ in 0..300 {
        assert_eq!(exchange(&mut busy, "get=1\n\n"), "errno=0\n\n");
        silent.push(served.connect());
    }
}

#[test]
fn thousands_of_connects_are_survived() {
    let served = Served::new();
    for _ in 0..5_000 {
        drop(UnixStream::connect(served.path()).unwrap());
    }
    assert!(served.works());
}

#[test]
fn only_the_owner_may_connect() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("run/wireguard");
    let listener = Listener::open(&directory, "wg0").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(listener.path())), (0o755, 0o600));
}

#[test]
fn a_live_server_is_not_replaced() {
    let served = Served::new();
    let error = Listener::open(served.directory.path(), "wg0").unwrap_err();
    assert_eq!(error.to_string(), format!("wg0: another process serves {}", served.path().display()));
    assert!(served.works());
    assert_eq!(interfaces(served.directory.path()).unwrap(), ["wg0"]);
}

#[test]
fn a_live_server_with_a_full_queue_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    let hung = UnixListener::bind(directory.path().join("wg0.sock")).unwrap();
    rustix::net::listen(&hung, 0).unwrap();
    let _waiting = UnixStream::connect(directory.path().join("wg0.sock")).unwrap();
    assert!(matches!(Listener::open(directory.path(), "wg0"), Err(ListenError::Taken { .. })));
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = TempDir::new().unwrap();
    drop(UnixListener::bind(directory.path().join("wg0.sock")).unwrap());
    assert_eq!(interfaces(directory.path()).unwrap(), [""; 0]);
    assert!(matches!(client::get(directory.path(), "wg0"), Err(ClientError::NotServed { .. })));
    let listener = Listener::open(directory.path(), "wg0").unwrap();
    assert!(Served::on(directory, listener).works());
}

#[test]
fn a_file_that_is_not_a_socket_is_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("wg0.sock");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(Listener::open(directory.path(), "wg0"), Err(ListenError::NotASocket(_))));
    assert_eq!(fs::read_to_string(path).unwrap(), "precious");
}

#[test]
fn errors_name_the_path() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Listener::open(&file.join("below"), "wg0").unwrap_err();
    assert!(error.to_string().starts_with(file.to_str().unwrap()), "{error}");
    let deep = directory.path().join("d".repeat(108));
    assert!(matches!(socket_path(&deep, "wg0"), Err(PathError::TooLong { .. })));
    for name in ["", "a/b", "..", "a b", "a:b", "sixteen-octets--"] {
        assert_eq!(socket_path(directory.path(), name), Err(PathError::Name(name.to_owned())));
    }
    assert!(socket_path(directory.path(), "fifteen-octets-").is_ok());
}

#[test]
fn closing_removes_the_file_and_ends_the_clients() {
    let served = Served::new();
    let mut stream = served.connect();
    assert_eq!(exchange(&mut stream, "get=1\n\n"), "errno=0\n\n");
    assert!(!served.ended(Duration::ZERO));
    let path = served.path();
    served.server.close();
    assert!(!path.exists());
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(Arc::strong_count(&served.interface), 1, "a thread still holds the interface");
}

#[test]
fn the_server_ends_when_its_file_is_deleted() {
    let served = Served::new();
    fs::remove_file(served.path()).unwrap();
    assert!(served.ended(TIMEOUT));
    assert_eq!(*served.notices.lock().unwrap(), ["SocketGone"]);
}

#[test]
fn a_reopening_server_creates_its_file_again() {
    let served = Served::reopening();
    let below = served.directory.path().join("below");
    let path = below.join("wg0.sock");
    for _ in 0..2 {
        fs::remove_dir_all(&below).unwrap();
        until(|| client::get(&below, "wg0").is_ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!served.ended(Duration::ZERO));
    served.server.close();
    assert!(!path.exists());
}

#[test]
fn a_reopening_server_stops_while_it_cannot_create_its_file() {
    let served = Served::reopening();
    let below = served.directory.path().join("below");
    fs::remove_dir_all(&below).unwrap();
    fs::write(&below, "").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    served.server.close();
    assert_eq!(fs::read_to_string(below).unwrap(), "");
}

#[test]
fn the_server_ends_when_its_file_is_replaced_and_keeps_the_other() {
    let served = Served::new();
    let other = served.directory.path().join("other");
    let _other = UnixListener::bind(&other).unwrap();
    fs::rename(other, served.path()).unwrap();
    assert!(served.ended(TIMEOUT));
    let path = served.path();
    served.server.close();
    assert!(path.exists());
}

#[test]
fn the_server_continues_when_the_mode_of_its_file_changes() {
    let served = Served::new();
    fs::set_permissions(served.path(), fs::Permissions::from_mode(0o660)).unwrap();
    assert!(!served.ended(Duration::ZERO));
    assert!(served.works());
}

#[test]
fn start_fails_when_the_file_is_gone() {
    let directory = TempDir::new().unwrap();
    let listener = Listener::open(directory.path(), "wg0").unwrap();
    fs::remove_file(listener.path()).unwrap();
    let started = Server::start(listener, Arc::new(Interface::default()), Arc::new(|_| {}));
    assert_eq!(started.err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn a_listener_can_be_inherited() {
    let directory = TempDir::new().unwrap();
    let opened = Listener::open(directory.path(), "wg0").unwrap();
    let passed = rustix::io::fcntl_dupfd_cloexec(&opened, 0).unwrap();
    drop(opened);
    let listener = Listener::inherit(passed).unwrap();
    assert_eq!(listener.path(), directory.path().join("wg0.sock"));
    assert!(Served::on(directory, listener).works());
}

#[test]
fn other_descriptors_are_rejected_as_listener() {
    let (one, _other) = UnixStream::pair().unwrap();
    assert!(matches!(Listener::inherit(one.into()), Err(ListenError::Inherited(_))));
    let file = fs::File::open("/dev/null").unwrap();
    assert!(matches!(Listener::inherit(file.into()), Err(ListenError::Inherited(_))));
}
