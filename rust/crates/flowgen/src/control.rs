//! Standard input, on which the parent process asks for counters.

use std::io::{self, Write};

use rustix::stdio::stdin;

/// Whether a program goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Continue,
    End,
}

/// Print a report for each line that can be read. Blocks where nothing can be.
pub(crate) fn answer(report: impl Fn() -> String) -> io::Result<Control> {
    let mut buffer = [0; 64];
    let len = rustix::io::read(stdin(), &mut buffer)?;
    for _ in buffer[..len].iter().filter(|&&byte| byte == b'\n') {
        print(&report())?;
    }
    Ok(if len == 0 { Control::End } else { Control::Continue })
}

/// Print a line at once.
pub(crate) fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
