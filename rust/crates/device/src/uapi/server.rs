//! The server: passes the requests of the clients of a [`Listener`] to a [`Control`], in threads of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::clients::{Clients, MAX_CLIENTS};
use super::connection::serve_client;
use super::listener::Listener;
use super::notice::{Notice, Observer};
use super::watch::Watch;
use crate::control::Control;

/// Delay after the system had no descriptor or memory for a connection. The connection stays in the queue, so polling
/// at once would spin.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Delay before a removed file is created again: a process that replaces it or removes a directory is done by then.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// A running server. Dropping it is [`Server::close`].
pub struct Server {
    stop: Option<OwnedFd>,
    ended: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Start a server. `observer` is called from the server's threads and must not block for long.
    ///
    /// # Errors
    /// When the file cannot be watched (it is gone, or fs.inotify.max_user_instances is too low) or no pipe or thread
    /// can be created. The file is then removed.
    pub fn start(listener: Listener, control: Arc<dyn Control>, observer: Arc<Observer>) -> io::Result<Self> {
        Self::spawn(listener, control, observer, false)
    }

    /// Start a server that creates its file again when it is removed, for a program that has other functions too.
    ///
    /// # Errors
    /// Those of [`Server::start`].
    pub fn start_reopening(listener: Listener, control: Arc<dyn Control>, observer: Arc<Observer>) -> io::Result<Self> {
        Self::spawn(listener, control, observer, true)
    }

    fn spawn(
        listener: Listener,
        control: Arc<dyn Control>,
        observer: Arc<Observer>,
        reopens: bool,
    ) -> io::Result<Self> {
        let listener = NamedListener(listener);
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let (ended, end) = pipe_with(PipeFlags::CLOEXEC)?;
        let watch = Watch::on(listener.0.path())?;
        let accepting = Accepting { listener, watch, stopped, _end: end, control, observer, reopens };
        let thread = thread::Builder::new().name("uapi".to_owned()).spawn(move || accepting.run())?;
        Ok(Self { stop: Some(stop), ended, thread: Some(thread) })
    }

    /// Return a descriptor that polls as hung up once the server has ended, because its file is gone or it was closed.
    #[must_use]
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Close all clients, remove the file if it is still ours, and wait for the threads.
    pub fn close(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A listener whose file is removed with it.
struct NamedListener(Listener);

impl Drop for NamedListener {
    fn drop(&mut self) {
        // A file that cannot be removed is found stale by the next server.
        let _ = self.0.unlink();
    }
}

/// The state of the accepting thread, in the order in which it is dropped.
struct Accepting {
    listener: NamedListener,
    watch: Watch,
    stopped: OwnedFd,
    /// Closed with the thread; the other end is [`Server::ended`].
    _end: OwnedFd,
    control: Arc<dyn Control>,
    observer: Arc<Observer>,
    /// Whether a removed file is created again.
    reopens: bool,
}

impl Accepting {
    fn run(mut self) {
        let mut clients = Clients::default();
        self.serve(&mut clients);
        while self.reopens && !self.listener.0.owns_path() && self.reopen() {
            self.serve(&mut clients);
        }
    }

    /// Serve until the server is stopped or its file is gone.
    fn serve(&self, clients: &mut Clients) {
        let mut is_accepting = true;
        // Tested first, since the file may have been removed before it was watched.
        while self.listener.0.owns_path() && !self.wait(is_accepting) {
            match self.accept(clients) {
                Ok(()) => is_accepting = true,
                Err(error) => {
                    // Reported once, not ten times a second.
                    if is_accepting {
                        (self.observer)(Notice::Accept(error));
                    }
                    is_accepting = false;
                }
            }
        }
        if !self.listener.0.owns_path() {
            (self.observer)(Notice::SocketGone);
        }
    }

    /// Create the file again; `false` if the server is stopped before that.
    fn reopen(&mut self) -> bool {
        while !self.is_stopped_within(REOPEN_DELAY) {
            // Not permitted, or used by another process: retried until it succeeds.
            let Ok(listener) = self.listener.0.reopen() else { continue };
            let listener = NamedListener(listener);
            if let Ok(watch) = Watch::on(listener.0.path()) {
                (self.listener, self.watch) = (listener, watch);
                return true;
            }
        }
        false
    }

    fn is_stopped_within(&self, timeout: Duration) -> bool {
        let mut sources = [PollFd::new(&self.stopped, PollFlags::empty())];
        let wait = Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or_default(), tv_nsec: 0 };
        if poll(&mut sources, Some(&wait)).is_err() {
            thread::sleep(RETRY_DELAY);
        }
        !sources[0].revents().is_empty()
    }

    /// Wait for a connection, a change of the file, or the stop, for which it returns `true`.
    fn wait(&self, is_accepting: bool) -> bool {
        let mut sources = [
            PollFd::new(&self.stopped, PollFlags::empty()),
            PollFd::new(&self.watch, PollFlags::IN),
            PollFd::new(&self.listener.0, if is_accepting { PollFlags::IN } else { PollFlags::empty() }),
        ];
        let rest = Timespec { tv_sec: 0, tv_nsec: i64::from(RETRY_DELAY.subsec_nanos()) };
        match poll(&mut sources, (!is_accepting).then_some(&rest)) {
            Ok(_) => {
                self.watch.drain();
                !sources[0].revents().is_empty()
            }
            // Interrupted, or no memory for a moment: polled again after the pending connections.
            Err(errno) => {
                if errno != Errno::INTR {
                    thread::sleep(RETRY_DELAY);
                }
                false
            }
        }
    }

    /// Accept the connections that wait, at most so many that a stop is not delayed. Where the system has no resources
    /// for one, the clients with the oldest activity are closed.
    ///
    /// # Errors
    /// When the system has no resources and no client is left to close.
    fn accept(&self, clients: &mut Clients) -> io::Result<()> {
        for _ in 0..MAX_CLIENTS {
            let requests = clients.requests();
            match self.listener.0.socket().accept().and_then(|(stream, _)| self.admit(stream, clients)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    clients.set_queue_empty(requests);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !clients.close_least_active() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn admit(&self, stream: UnixStream, clients: &mut Clients) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        let (control, observer) = (Arc::clone(&self.control), Arc::clone(&self.observer));
        clients.admit(stream, move |stream, requested| {
            // A client that disconnected before its response is no error.
            let _ = serve_client(stream, &*control, &*observer, requested);
        })
    }
}
