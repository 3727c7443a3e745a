//! One client: its requests in, the answers out, until it ends or says what is no request.

use std::io::{self, Read, Write};

use rustix::io::Errno;

use super::inbox::{Inbox, ReadError};
use super::line::{ParseError, Problem};
use super::server::Notice;
use super::wiped::Outbox;
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
    #[error("a request starts with get=1 or set=1")]
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

    /// After these nobody knows where the next request starts.
    fn ends_conversation(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Operation)
    }
}

/// Serves one client. `answered` is called after every answer.
///
/// # Errors
/// Those of writing; a client that is gone is none.
pub(super) fn converse<S: Read + Write + Copy>(
    stream: S,
    control: &dyn Control,
    notice: &dyn Fn(Notice),
    answered: &dyn Fn(),
) -> io::Result<()> {
    let (mut inbox, mut outbox) = (Inbox::new(stream), Outbox::new(stream));
    loop {
        let outcome = match request(&mut inbox, control, &mut outbox) {
            Ok(None) => return Ok(()),
            Ok(Some(written)) => written.map(|()| None)?,
            Err(refusal) => Some(refusal),
        };
        inbox.forget();
        // wireguard-go's sign; wg takes the negative number for the errno of a set.
        let errno = outcome.as_ref().map_or(0, |refusal| -refusal.errno());
        if let Some(refusal) = &outcome {
            notice(Notice::Refused(refusal.to_string()));
        }
        write!(outbox, "errno={errno}\n\n").and_then(|()| outbox.flush())?;
        if outcome.is_some_and(|refusal| refusal.ends_conversation()) {
            return Ok(());
        }
        answered();
    }
}

/// Takes one request and carries it out: `None` at the end, else whether its answer could be written.
fn request(
    inbox: &mut Inbox<impl Read>,
    control: &dyn Control,
    outbox: &mut impl Write,
) -> Result<Option<io::Result<()>>, Refusal> {
    match inbox.line()? {
        None => Ok(None),
        Some(b"get=1") => get(inbox, control, outbox).map(Some),
        Some(b"set=1") => set(inbox, control).map(|()| Some(Ok(()))),
        Some(_) => Err(Refusal::Operation),
    }
}

fn get(
    inbox: &mut Inbox<impl Read>,
    control: &dyn Control,
    outbox: &mut impl Write,
) -> Result<io::Result<()>, Refusal> {
    if !inbox.body()?.is_empty() {
        return Err(ParseError { line: 2, problem: Problem::GetWithBody }.into());
    }
    Ok(format::status(&control.status()?, outbox))
}

fn set(inbox: &mut Inbox<impl Read>, control: &dyn Control) -> Result<(), Refusal> {
    let change = parse::change(inbox.body()?, &scope::index_of)?;
    inbox.forget();
    Ok(control.apply(change)?)
}
