//! Octets on the UAPI socket of a real server, in any pieces: each response ends with its `errno`, and the next client
//! is served.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use device::control::{Control, ControlError};
use device::uapi::{Listener, Server};
use proto::Interface;
use proto::change::InterfaceChange;
use proto::clock::Now;
use proto::status::InterfaceStatus;

use crate::random::Dice;
use crate::script::Script;

const NOW: Now = Now { boot: Duration::from_secs(1), unix: Duration::from_secs(1_700_000_000) };

/// The protocol's state machine without a device: down, so that it sends nothing.
struct Machine(Mutex<Interface>);

impl Control for Machine {
    fn apply(&self, change: InterfaceChange) -> Result<(), ControlError> {
        let mut interface = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        interface.apply(&change, NOW);
        Ok(())
    }

    fn status(&self) -> Result<InterfaceStatus, ControlError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).status())
    }
}

/// A server that lives as long as the process.
struct Served {
    path: PathBuf,
    _server: Server,
    _directory: tempfile::TempDir,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory for the socket");
    let listener = Listener::open(directory.path(), "fuzz0").expect("a socket");
    let path = listener.path().to_owned();
    let machine = Machine(Mutex::new(Interface::new(Box::new(Dice(1)))));
    let server = Server::start(listener, Arc::new(machine), Arc::new(|_| {})).expect("a server");
    Served { path, _server: server, _directory: directory }
});

/// Send the octets, of which the first selects the size of the pieces, and read the responses.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let piece = 1 + 16 * usize::from(script.octet());
    let answers = ask(script.take(usize::MAX).chunks(piece));
    for answer in answers.split_terminator("\n\n") {
        let last = answer.lines().next_back().unwrap_or_default();
        let errno = last.strip_prefix("errno=").and_then(|errno| errno.parse::<i32>().ok());
        assert!(errno.is_some_and(|errno| errno <= 0), "an answer that ends with {last:?}");
    }
    let clean = ask([&b"set=1\nprivate_key=\nreplace_peers=true\n\nget=1\n\n"[..]].into_iter());
    assert_eq!(clean, "errno=0\n\nerrno=0\n\n");
}

fn ask<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut stream = UnixStream::connect(&SERVED.path).expect("a server that still serves");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket takes a timeout");
    stream.set_write_timeout(Some(Duration::from_secs(60))).expect("a socket takes a timeout");
    for piece in pieces {
        // The server closes the connection after an invalid request.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    match stream.read_to_end(&mut answers) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(answers).expect("answers are text")
}
