//! `warren-loadgen`: many peers of one WireGuard interface, in one process and without a TUN.
//!
//! Each peer is a state machine of `proto` with its own key and sends the same packet repeatedly. Standard input is their
//! one UDP socket, as with inetd: connected to the engine and with UDP_SEGMENT set to [`packet::DATAGRAM_BYTES`] by the
//! parent process. Each state is printed to standard output as one line.
#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod generator;
mod packet;
mod peer;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::ExitCode;

use crate::arguments::{HELP, Request, Run};
use crate::generator::Generator;

fn main() -> ExitCode {
    let outcome = match Request::parse(env::args().skip(1)) {
        Some(Request::Keys(seed, peers)) => print_keys(&seed, peers).map_err(Box::from),
        Some(Request::Run(run)) => generate(&run),
        None => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warren-loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Print the public keys, one per line, in the order of the peers.
fn print_keys(seed: &peer::Seed, peers: u32) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for number in 0..peers {
        writeln!(out, "{}", *peer::private_key(seed, number).public_key().to_base64())?;
    }
    out.flush()
}

/// Connect all peers, wait, and send.
fn generate(run: &Run) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut generator = Generator::new(socket, run)?;
    for session in 1..=run.sessions {
        generator.connect(session)?;
    }
    print_state("connected")?;
    generator.rest(run.rest)?;
    print_state("sending")?;
    let sent = generator.send(run.time, run.batch)?;
    print_state(&format!("sent {sent}"))?;
    Ok(())
}

fn print_state(state: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{state}")?;
    out.flush()
}
