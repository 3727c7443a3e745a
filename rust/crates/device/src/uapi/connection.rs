//! One connection: reads requests and writes responses, until the client disconnects or sends an invalid request.

use std::io::{self, Read, Write};

use rustix::io::Errno;

use super::inbox::{Inbox, ReadError};
use super::line::{ParseError, Problem};
use super::notice::Notice;
use super::zeroizing::Outbox;
use super::{format, parse, scope};
use crate::control::{Control, ControlError};

/// Why a request is answered with an error.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("expected get=1 or set=1")]
    Operation,
}

impl Refusal {
    fn errno(&self) -> i32 {
        match self {
            Self::Read(error) => error.errno(),
            Self::Parse(error) => error.errno(),
            Self::Control(ControlError::Port { source, .. } | ControlError::Fwmark { source, .. }) => {
                source.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
            }
            Self::Control(ControlError::Closed) => Errno::NODEV.raw_os_error(),
            Self::Operation => Errno::PROTO.raw_os_error(),
        }
    }

    /// Return whether the start of the next request is unknown after this error.
    fn closes_connection(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Operation)
    }
}

/// Serve one client. `requested` is called for each complete request, before it is carried out.
///
/// # Errors
/// Those of writing; a client that has disconnected is no error.
pub(super) fn serve_client<S: Read + Write + Copy>(
    stream: S,
    control: &dyn Control,
    notice: &dyn Fn(Notice),
    requested: &dyn Fn(),
) -> io::Result<()> {
    let (mut inbox, mut outbox) = (Inbox::new(stream), Outbox::new(stream));
    loop {
        let outcome = match request(&mut inbox, control, &mut outbox, requested) {
            Ok(None) => return Ok(()),
            Ok(Some(written)) => written.map(|()| None)?,
            Err(refusal) => Some(refusal),
        };
        inbox.forget();
        // Negative as in wireguard-go; wg takes the negative number as the errno of a set.
        let errno = outcome.as_ref().map_or(0, |refusal| -refusal.errno());
        if let Some(refusal) = &outcome {
            notice(Notice::Refused(refusal.to_string()));
        }
        write!(outbox, "errno={errno}\n\n").and_then(|()| outbox.flush())?;
        if outcome.is_some_and(|refusal| refusal.closes_connection()) {
            return Ok(());
        }
    }
}

/// Read one request and carry it out: `None` at the end, else whether its answer could be written.
fn request(
    inbox: &mut Inbox<impl Read>,
    control: &dyn Control,
    outbox: &mut impl Write,
    requested: &dyn Fn(),
) -> Result<Option<io::Result<()>>, Refusal> {
    let is_set = match inbox.line()? {
        None => return Ok(None),
        Some(b"get=1") => false,
        Some(b"set=1") => true,
        Some(_) => return Err(Refusal::Operation),
    };
    let body = inbox.body()?;
    requested();
    if !is_set {
        return get(body, control, outbox).map(Some);
    }
    let change = parse::change(body, &scope::index_of)?;
    inbox.forget();
    control.apply(change)?;
    Ok(Some(Ok(())))
}

fn get(body: &[u8], control: &dyn Control, outbox: &mut impl Write) -> Result<io::Result<()>, Refusal> {
    if !body.is_empty() {
        return Err(ParseError { line: 2, problem: Problem::GetWithBody }.into());
    }
    Ok(format::status(&control.status()?, outbox))
}
