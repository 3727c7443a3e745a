//! The program against itself on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// A congestion control that every kernel has.
const CONGESTION: &str = "reno";

/// A program that prints a report for each line it is sent, and ends with its standard input.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    first_line: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_warren-flowgen"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut running = Self { child, input, output, first_line: String::new() };
        running.first_line = running.read();
        running
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Return a counter of the report of this moment.
    fn counter(&mut self, name: &str) -> u64 {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        let report = self.read();
        let (_, rest) = report.split_once(&format!("\"{name}\": ")).unwrap_or_else(|| panic!("no {name} in {report}"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    }

    /// Wait until a counter is at least this.
    fn wait_for(&mut self, name: &str, least: u64) {
        while self.counter(name) < least {
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.input = None;
        self.child.wait().unwrap();
    }
}

/// Run a program to its end and return what it printed.
fn printed(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_warren-flowgen")).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn flows_up_count_at_the_server_and_flows_down_at_the_client() {
    let mut server = Running::start(&["serve", "127.0.0.1:0", CONGESTION]);
    let address = server.first_line.clone();
    let client = Running::start(&["run", &address, "direct", CONGESTION, "up", "3"]);
    assert_eq!(client.first_line, "{\"open\": 3}");
    server.wait_for("bytes", 1_000_000);
    drop(client);
    server.wait_for("ended", 3);
    let received = server.counter("bytes");
    let mut client = Running::start(&["run", &address, "direct", CONGESTION, "down", "2"]);
    client.wait_for("bytes", 1_000_000);
    assert_eq!(server.counter("bytes"), received);
}

#[test]
fn dials_report_a_time_for_each_connection() {
    let server = Running::start(&["serve", "127.0.0.1:0", CONGESTION]);
    let report = printed(&["dial", &server.first_line, "direct", CONGESTION, "5"]);
    let (_, times) = report.split_once("\"times\": [").unwrap();
    assert_eq!(times.split(',').count(), 5);
}

#[test]
fn dials_to_nobody_report_no_time() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(printed(&["dial", &address, "direct", CONGESTION, "1"]).contains("\"times\": []"));
}

#[test]
fn datagrams_pass_a_relay_that_loses_a_part_of_them() {
    let mut server = Running::start(&["serve", "127.0.0.1:0", CONGESTION]);
    let mut relay = Running::start(&["relay", "127.0.0.1:0", &server.first_line, "1000", "1", "1000", "50"]);
    let report = printed(&["send", &relay.first_line, "2", "500", "1"]);
    let sent: u64 = report.trim_start_matches("{\"sent\": ").split(',').next().unwrap().parse().unwrap();
    let lost = relay.counter("lost");
    assert!(lost > 0 && lost < sent, "{lost} of {sent} lost");
    server.wait_for("datagrams", sent - lost);
    assert_eq!(server.counter("datagrams"), sent - lost);
}
