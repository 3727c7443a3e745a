//! Notifications that tell whom a change concerns. The kernel sends them before the call that makes the change returns.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use std::process::Command;

use hostnet::{HostChanges, Monitor, Netlink, OURS};
use namespace::{enter, ip};

/// Return what was reported so far.
fn reported(monitor: &mut Monitor) -> HostChanges {
    monitor.drain().unwrap()
}

#[test]
fn a_change_is_reported_with_its_link() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("tuntap add wg1 mode tun");
    let mut netlink = Netlink::open().unwrap();
    let (wg0, wg1) = (netlink.link("wg0").unwrap().index, netlink.link("wg1").unwrap().index);
    let mut monitor = Monitor::open().unwrap();
    assert_eq!(reported(&mut monitor), HostChanges::default());
    for words in [
        "link set wg0 mtu 1420",
        "link set wg0 up",
        "address add 10.7.0.1/24 dev wg0",
        "address add fd00::1/64 dev wg0",
        "route add 10.9.0.0/16 dev wg0",
        "-6 route add default dev wg0 table 51820",
        "route delete 10.7.0.0/24 dev wg0",
        "address delete 10.7.0.1/24 dev wg0",
    ] {
        ip(words);
        let changes = reported(&mut monitor);
        assert!(changes.links.contains(&wg0) && !changes.links.contains(&wg1), "{words}: {changes:?}");
        assert!(!changes.rules && !changes.lost, "{words}: {changes:?}");
    }
    ip("link delete wg1");
    assert!(reported(&mut monitor).links.contains(&wg1));
}

#[test]
fn a_route_without_a_link_is_reported_with_its_table_and_a_replacement_with_its_destination() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("link set wg0 up");
    ip("tuntap add wg1 mode tun");
    ip("link set wg1 up");
    ip("route add 10.9.0.0/16 dev wg0");
    let mut monitor = Monitor::open().unwrap();
    ip("route add unreachable default table 51820 metric 4294967295");
    let changes = reported(&mut monitor);
    assert!(changes.tables.contains(&51820) && changes.replaced.is_empty(), "{changes:?}");
    ip("route replace 10.9.0.0/16 dev wg1");
    let changes = reported(&mut monitor);
    assert!(changes.replaced.contains(&"10.9.0.0/16".parse().unwrap()), "{changes:?}");
}

#[test]
fn only_rules_of_ours_are_reported() {
    enter();
    let mut monitor = Monitor::open().unwrap();
    ip("rule add fwmark 9 table 9 priority 900");
    assert!(!reported(&mut monitor).rules);
    for flag in ["-4", "-6"] {
        ip(&format!("{flag} rule add not fwmark 7 table 7 priority 700 protocol {OURS}"));
        assert!(reported(&mut monitor).rules, "{flag}");
        ip(&format!("{flag} rule delete priority 700"));
        assert!(reported(&mut monitor).rules, "{flag}");
    }
}

#[test]
fn only_tables_named_for_a_link_are_reported() {
    enter();
    let mut monitor = Monitor::open().unwrap();
    nft("add table ip filter");
    assert!(reported(&mut monitor).guards.is_empty());
    for words in [
        "add table ip warren-wg0",
        "add chain ip warren-wg0 output { type filter hook output priority 0 ; }",
        "add rule ip warren-wg0 output accept",
        "flush chain ip warren-wg0 output",
        "delete table ip warren-wg0",
    ] {
        nft(words);
        let guards = reported(&mut monitor).guards;
        assert!(guards.iter().eq(["wg0"]), "{words}: {guards:?}");
    }
    nft("add table ip warren-wg0");
    reported(&mut monitor);
    nft("flush ruleset");
    assert!(reported(&mut monitor).guards.contains("wg0"));
}

#[test]
fn lost_notifications_are_reported() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut monitor = Monitor::open().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let index = netlink.link("wg0").unwrap().index;
    for mtu in 1280..3280 {
        netlink.set_mtu(index, mtu).unwrap(); // more than any buffer holds (net.core.rmem_default is 208 KiB)
    }
    assert!(reported(&mut monitor).lost);
}

fn nft(words: &str) {
    let done = Command::new("nft").arg(words).output().expect("nft(8) is needed");
    assert!(done.status.success(), "nft {words}: {}", String::from_utf8_lossy(&done.stderr));
}
