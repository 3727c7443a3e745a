//! `warren-flowgen`: TCP and UDP flows between two hosts of a benchmark, and a path with a delay between them.
//!
//! Bytes count where they are received: a proxy without backpressure takes from a sender what it never delivers.
#![forbid(unsafe_code)]

mod arguments;
mod buffers;
mod control;
mod dial;
mod direction;
mod flows;
mod poller;
mod relay;
mod run;
mod send;
mod serve;

use std::env;
use std::process::ExitCode;

use crate::arguments::{HELP, Request};

fn main() -> ExitCode {
    let outcome = match Request::parse(env::args().skip(1)) {
        Some(Request::Serve { at, congestion }) => serve::serve(at, &congestion),
        Some(Request::Run { to, direction, flows }) => run::run(&to, direction, flows),
        Some(Request::Dial { to, count }) => dial::measure(&to, count),
        Some(Request::Send { to, bits_per_second, bytes, time }) => send::send(to, bits_per_second, bytes, time),
        Some(Request::Relay { at, to, path }) => relay::relay(at, to, &path),
        None => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warren-flowgen: {error}");
            ExitCode::FAILURE
        }
    }
}
