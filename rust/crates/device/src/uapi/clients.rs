//! The connected clients, bounded in number.
//!
//! No client is timed out, since a monitor may keep its connection and send one request an hour. When the table is
//! full, the client whose last activity is oldest is closed to admit a new one, so clients that hang cannot block others.
//!
//! The activity of a client is its last complete request, or its connect(2) when it has sent none. A connection can
//! wait in the listen queue for long, so the time of accept(2) would rank a silent newcomer above a client that was
//! answered meanwhile. What is known of connect(2) is that it came after the listen queue was last seen empty, and
//! this lower bound is used. Hence a client that completes a request is never closed before another one that connected
//! earlier and has sent none since, however late the accepting thread runs.

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
    /// In the order of their admission.
    clients: Vec<Client>,
    /// The number of complete requests of all clients so far: the clock of activity.
    requests: Arc<AtomicU64>,
    /// `requests` when the listen queue was last seen empty.
    queue_empty_at: u64,
}

struct Client {
    stream: Arc<UnixStream>,
    /// `requests` at its last activity.
    last_activity: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Clients {
    /// Return the number of complete requests so far, to be read before accept(2) and passed to [`Self::set_queue_empty`].
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Record that the listen queue was empty at some moment after [`Self::requests`] returned `requests`.
    pub(super) fn set_queue_empty(&mut self, requests: u64) {
        self.queue_empty_at = requests;
    }

    /// Start a thread that runs `serve` with the stream and a function to be called for each complete request.
    ///
    /// # Errors
    /// When no thread can be started; the connection is then closed.
    pub(super) fn admit<F>(&mut self, stream: UnixStream, serve: F) -> std::io::Result<()>
    where
        F: FnOnce(&UnixStream, &dyn Fn()) + Send + 'static,
    {
        self.reap();
        if self.clients.len() >= MAX_CLIENTS {
            self.close_least_active();
        }
        let stream = Arc::new(stream);
        let last_activity = Arc::new(AtomicU64::new(self.queue_empty_at));
        let (own, requests, activity) = (Arc::clone(&stream), Arc::clone(&self.requests), Arc::clone(&last_activity));
        let thread =
            thread::Builder::new().name("uapi-client".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                serve(&own, &|| activity.store(requests.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed));
                // The table keeps the stream until the thread is reaped; the client must not wait for that.
                let _ = own.shutdown(Shutdown::Both);
            })?;
        self.clients.push(Client { stream, last_activity, thread });
        Ok(())
    }

    /// Close the client whose last activity is oldest, after the request it may be processing; `false` when there is
    /// none. Of several that are equally old, the one admitted first is closed.
    pub(super) fn close_least_active(&mut self) -> bool {
        let last_activity = |(_, client): &(usize, &Client)| client.last_activity.load(Ordering::Relaxed);
        let index = self.clients.iter().enumerate().min_by_key(last_activity).map(|(index, _)| index);
        index.map(|index| self.clients.remove(index).close()).is_some()
    }

    /// Free the resources of the clients that have ended.
    pub(super) fn reap(&mut self) {
        for ended in self.clients.extract_if(.., |client| client.thread.is_finished()) {
            ended.close();
        }
    }
}

impl Drop for Clients {
    /// Close all clients and wait for their threads; all are shut down before the first is waited for.
    fn drop(&mut self) {
        self.clients.iter().for_each(Client::shut);
        self.clients.drain(..).for_each(Client::close);
    }
}

impl Client {
    fn shut(&self) {
        // The client may have disconnected already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn close(self) {
        self.shut();
        // The panic hook has reported a panic; the other clients are not affected.
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Admit a client that answers each octet with the same octet once it is counted as a complete request.
    fn admit(clients: &mut Clients) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        clients
            .admit(far, |mut stream, requested| {
                let mut octet = [0];
                while stream.read(&mut octet).is_ok_and(|count| count == 1) {
                    requested();
                    stream.write_all(&octet).unwrap();
                }
            })
            .unwrap();
        near
    }

    fn request(client: &mut UnixStream) {
        client.write_all(&[1]).unwrap();
        client.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn connections_that_waited_in_the_queue_do_not_displace_a_client_answered_meanwhile() {
        let mut clients = Clients::default();
        let mut active = admit(&mut clients);
        clients.set_queue_empty(clients.requests());
        // The others connect now and are accepted only after this request.
        request(&mut active);
        let _silent: Vec<_> = (0..2 * MAX_CLIENTS).map(|_| admit(&mut clients)).collect();
        request(&mut active);
    }

    #[test]
    fn the_client_whose_last_request_is_oldest_is_closed() {
        let mut clients = Clients::default();
        let mut connected: Vec<_> = (0..3).map(|_| admit(&mut clients)).collect();
        for index in [1, 0, 2, 0] {
            request(&mut connected[index]);
        }
        assert!(clients.close_least_active());
        assert_eq!(connected[1].read(&mut [0]).unwrap(), 0);
        clients.set_queue_empty(clients.requests());
        let mut newcomer = admit(&mut clients);
        assert!(clients.close_least_active());
        assert_eq!(connected[2].read(&mut [0]).unwrap(), 0);
        request(&mut newcomer);
    }
}
