//! Notifications, which the kernel sends before the call that makes the change returns.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use hostnet::{Changes, Netlink, Watch};
use namespace::{enter, ip};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Return what is reported within ten seconds, all of it at once; nothing is reported later than the change.
fn next(watch: &mut Watch) -> Changes {
    let deadline = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&*watch, PollFlags::IN)], Some(&deadline)), Ok(1), "the kernel told nothing");
    watch.drain().unwrap()
}

#[test]
fn each_kind_of_change_is_reported() {
    enter();
    let mut watch = Watch::open().unwrap();
    assert!(watch.drain().unwrap().is_empty());
    ip("tuntap add wg0 mode tun");
    assert_eq!(next(&mut watch), Changes { links: true, ..Changes::default() });
    ip("link set wg0 mtu 1420");
    assert!(next(&mut watch).links);
    ip("link set wg0 up");
    assert!(next(&mut watch).links);
    ip("route add 10.9.0.0/16 dev wg0");
    assert!(next(&mut watch).routes);
    ip("-6 route add fd09::/48 dev wg0");
    assert!(next(&mut watch).routes);
    ip("address add 10.7.0.1/24 dev wg0");
    assert!(next(&mut watch).addresses);
    ip("address delete 10.7.0.1/24 dev wg0");
    assert!(next(&mut watch).addresses);
    ip("-6 address add fd00::1/64 dev wg0");
    assert!(next(&mut watch).addresses);
    ip("link delete wg0");
    assert!(next(&mut watch).links);
}

#[test]
fn changes_in_other_namespaces_are_not_reported() {
    enter();
    let mut watch = Watch::open().unwrap();
    enter();
    ip("tuntap add wg0 mode tun");
    assert!(watch.drain().unwrap().is_empty());
}

#[test]
fn lost_notifications_count_as_every_change() {
    enter();
    let mut watch = Watch::open().unwrap();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    // Notifications of links only, more than any buffer holds (net.core.rmem_default is 208 KiB).
    for mtu in 1280..3280 {
        net.set_mtu(index, mtu).unwrap();
    }
    // One call reads only some of them.
    let mut seen = Changes::default();
    loop {
        let changes = watch.drain().unwrap();
        if changes.is_empty() {
            break;
        }
        seen.links |= changes.links;
        seen.addresses |= changes.addresses;
        seen.routes |= changes.routes;
    }
    assert_eq!(seen, Changes::ALL);
}

#[test]
fn a_link_that_is_up_again_is_reported_to_have_gone_down() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("tuntap add wg1 mode tun");
    let mut watch = Watch::open().unwrap();
    watch.follow(Netlink::open().unwrap().link("wg0").unwrap().index, false);
    ip("link set wg0 mtu 1420");
    ip("link set wg0 up");
    assert!(!next(&mut watch).went_down, "it was never up before");
    ip("link set wg1 up");
    ip("link set wg1 down");
    assert!(!next(&mut watch).went_down, "another link");
    ip("link set wg0 down");
    ip("link set wg0 up");
    assert!(next(&mut watch).went_down);
    ip("link set wg0 mtu 1400");
    assert!(!next(&mut watch).went_down, "told once");
    ip("link delete wg0");
    assert!(next(&mut watch).went_down, "the kernel sets a link down before it deletes it");
}
