//! The client: flows of one direction.

use std::io::{self, Write};

use crate::arguments::Target;
use crate::control::{self, Control};
use crate::direction::{Direction, Service};
use crate::flows::{Flows, Role};
use crate::poller::{Poller, STDIN};

/// Open all flows, print how many there are, and move bytes until standard input ends.
pub(crate) fn run(to: &Target, direction: Direction, count: usize) -> io::Result<()> {
    let mut streams = Vec::new();
    for _ in 0..count {
        match to.dial() {
            Ok(stream) => streams.push(stream),
            Err(error) => eprintln!("warren-flowgen: {error}"),
        }
        // A proxy that opens nothing keeps nobody waiting for each flow.
        if streams.is_empty() {
            break;
        }
    }
    let (mut poller, mut flows) = (Poller::new()?, Flows::new(0));
    control::print(&format!("{{\"open\": {}}}", streams.len()))?;
    for mut stream in streams {
        stream.write_all(&[Service::Move(direction).byte()])?;
        let role = if direction == Direction::Down { Role::Receive } else { Role::Send };
        flows.add(stream, role, &poller)?;
    }
    loop {
        for token in poller.wait()? {
            if token != STDIN {
                flows.serve(token, &poller);
            } else if control::answer(|| format!("{{{}}}", flows.report()))? == Control::End {
                return Ok(());
            }
        }
    }
}
