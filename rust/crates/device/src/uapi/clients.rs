//! The clients that are connected, bounded in number.
//!
//! None is ever timed out, for a monitor may keep its connection and ask once an hour. Instead the one that has been
//! silent for longest makes room for a newcomer: clients that hang cannot stop others.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Clients served at once. `wg` is one for some milliseconds, a monitor one for good.
pub(super) const MAX_CLIENTS: usize = 64;

/// Octets of a client's stack: its buffers are on the heap.
const STACK_BYTES: usize = 256 << 10;

/// Owned by the accepting thread alone.
#[derive(Default)]
pub(super) struct Clients {
    clients: Vec<Client>,
    clock: Arc<AtomicU64>,
}

struct Client {
    stream: Arc<UnixStream>,
    /// The number of answers that any client had got when this one got its last.
    last_answer: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Clients {
    /// Starts a thread that runs `converse` with the stream and with what is to be called after each answer.
    ///
    /// # Errors
    /// When no thread can be started; the connection is then closed.
    pub(super) fn admit<F>(&mut self, stream: UnixStream, converse: F) -> std::io::Result<()>
    where
        F: FnOnce(&UnixStream, &dyn Fn()) + Send + 'static,
    {
        self.reap();
        if self.clients.len() >= MAX_CLIENTS {
            self.end_idlest();
        }
        let stream = Arc::new(stream);
        let last_answer = Arc::new(AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed)));
        let (own, clock, answer) = (Arc::clone(&stream), Arc::clone(&self.clock), Arc::clone(&last_answer));
        let thread =
            thread::Builder::new().name("uapi-client".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                converse(&own, &|| answer.store(clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed));
                // The table keeps the stream until the thread is reaped; the far side is not to wait for that.
                let _ = own.shutdown(Shutdown::Both);
            })?;
        self.clients.push(Client { stream, last_answer, thread });
        Ok(())
    }

    /// Ends the client that has been silent for longest, after the request that it may be at; `false` when there is none.
    pub(super) fn end_idlest(&mut self) -> bool {
        let silence = |(_, client): &(usize, &Client)| client.last_answer.load(Ordering::Relaxed);
        let idlest = self.clients.iter().enumerate().min_by_key(silence).map(|(index, _)| index);
        idlest.map(|index| self.clients.swap_remove(index).end()).is_some()
    }

    /// Frees what those that have ended hold.
    pub(super) fn reap(&mut self) {
        for ended in self.clients.extract_if(.., |client| client.thread.is_finished()) {
            ended.end();
        }
    }
}

impl Drop for Clients {
    /// Ends all and waits for them; all are told before the first is waited for.
    fn drop(&mut self) {
        self.clients.iter().for_each(Client::shut);
        self.clients.drain(..).for_each(Client::end);
    }
}

impl Client {
    fn shut(&self) {
        // It may have gone by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn end(self) {
        self.shut();
        // A panic has been told by the panic hook; the other clients are not concerned.
        let _ = self.thread.join();
    }
}
