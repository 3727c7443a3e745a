//! `warren-crowd`: many peers of one WireGuard interface, in one process and without a TUN.
//!
//! Each is a machine of `proto` with its own key, and sends one packet over and over. Standard input is their one UDP
//! socket, as with inetd: connected to the engine, and with UDP_SEGMENT set to [`packet::DATAGRAM_BYTES`] by whoever made
//! it. What happens is told on standard output, a word a line.
#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod crowd;
mod member;
mod packet;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::ExitCode;

use crate::arguments::{HELP, Request, Run};
use crate::crowd::Crowd;

fn main() -> ExitCode {
    let outcome = match Request::parse(env::args().skip(1)) {
        Some(Request::Keys(seed, peers)) => tell_keys(&seed, peers).map_err(Box::from),
        Some(Request::Run(run)) => gather(&run),
        None => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warren-crowd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Public keys, a line each, in the order of the peers.
fn tell_keys(seed: &member::Seed, peers: u32) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for number in 0..peers {
        writeln!(out, "{}", *member::private_key(seed, number).public_key().to_base64())?;
    }
    out.flush()
}

/// Connects all, lets them rest, and lets them send.
fn gather(run: &Run) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut crowd = Crowd::new(socket, run)?;
    for session in 1..=run.sessions {
        crowd.connect(session)?;
    }
    tell("connected")?;
    crowd.rest(run.rest)?;
    tell("sending")?;
    let sent = crowd.send(run.time, run.train)?;
    tell(&format!("sent {sent}"))?;
    Ok(())
}

fn tell(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}
