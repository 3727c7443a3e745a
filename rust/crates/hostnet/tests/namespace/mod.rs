//! A network namespace for one test: real links, addresses and routes that end with the test's thread.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Move the calling thread into a new network namespace with the loopback link up.
pub(crate) fn enter() {
    let mut holder = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo made && read _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare(1) is needed to make network namespaces");
    let mut word = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut word).unwrap();
    assert_eq!(word, "made\n", "no network namespace: run this as root, or under `unshare -Urn`");
    let namespace = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("setns(2) needs CAP_SYS_ADMIN: run this as root, or under `unshare -Urn`");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    ip("link set lo up");
    wait_for_local("::1");
}

/// Add an address and wait until the kernel delivers to it: an IPv6 address is listed some time before that.
#[allow(dead_code, reason = "not every test file adds addresses")]
pub(crate) fn add_address(address: &str, link: &str) {
    let nodad = if address.contains(':') { " nodad" } else { "" };
    ip(&format!("address add {address} dev {link}{nodad}"));
    if address.contains(':') {
        wait_for_local(address.split('/').next().unwrap());
    }
}

fn wait_for_local(address: &str) {
    let route = format!("local {address} ");
    let delivered = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        ip("-6 route show table local").lines().any(|line| line.starts_with(&route))
    });
    assert!(delivered, "{address} is not delivered to");
}

/// Run `ip` of iproute2 in the thread's namespace and return its output.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip(8) of iproute2 is needed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
