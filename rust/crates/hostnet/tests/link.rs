//! Links, compared with iproute2.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use hostnet::{NetError, Netlink};
use namespace::{enter, ip};

#[test]
fn a_link_is_found_by_name_and_listed() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let link = net.link("wg0").unwrap();
    assert_eq!(link.index, ip("-o link show wg0").split(':').next().unwrap().parse::<u32>().unwrap());
    assert_eq!((link.name.as_str(), link.mtu, link.up, link.kind.as_deref()), ("wg0", 1500, false, Some("tun")));
    let names: Vec<_> = net.links().unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "wg0"]);
}

#[test]
fn a_missing_link_is_reported() {
    enter();
    let mut net = Netlink::open().unwrap();
    for name in ["wg0", "", "a-name-longer-than-fifteen"] {
        let error = net.link(name).unwrap_err();
        assert_eq!(error.to_string(), format!("no such link {name:?}"));
        assert_eq!(error.errno(), Some(19));
    }
    assert_eq!(net.set_up(4711, true).unwrap_err().to_string(), "no such link number 4711");
}

#[test]
fn a_link_is_resized_set_up_and_deleted() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    net.set_mtu(index, 1420).unwrap();
    net.set_up(index, true).unwrap();
    let shown = ip("-o link show wg0");
    assert!(shown.contains("mtu 1420 ") && shown.contains(",UP"), "{shown}");
    net.set_up(index, false).unwrap();
    assert!(!net.link("wg0").unwrap().up);
    net.delete_link(index).unwrap();
    assert!(matches!(net.link("wg0"), Err(NetError::NoSuchLink { .. })));
}

#[test]
fn an_alias_is_set_and_read() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let link = net.link("wg0").unwrap();
    assert_eq!(link.alias, None);
    net.set_alias(link.index, "warren 7 1").unwrap();
    assert_eq!(net.link("wg0").unwrap().alias.as_deref(), Some("warren 7 1"));
    assert!(ip("link show wg0").contains("alias warren 7 1"));
}

#[test]
fn an_error_has_operation_and_explanation() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    let error = net.set_mtu(index, 70_000).unwrap_err();
    assert_eq!(error.errno(), Some(22));
    assert_eq!(
        error.to_string(),
        "setting the MTU of link \"wg0\" to 70000: Invalid argument (os error 22) (mtu greater than device maximum)"
    );
}

#[test]
fn a_link_created_by_others_is_not_ours() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("link set wg0 group 119");
    assert!(!Netlink::open().unwrap().link("wg0").unwrap().ours);
}

#[test]
fn a_socket_stays_in_the_namespace_where_it_was_opened() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    enter();
    assert!(net.link("wg0").is_ok());
    assert!(Netlink::open().unwrap().link("wg0").is_err());
}

#[test]
fn a_change_without_privilege_fails_with_the_capability() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    // The capabilities belong to this thread and end with it.
    rustix::thread::set_capabilities(None, no_capabilities()).unwrap();
    let error = net.set_up(index, true).unwrap_err();
    assert_eq!(error.to_string(), "setting link \"wg0\" up: not permitted: needs CAP_NET_ADMIN");
}

fn no_capabilities() -> rustix::thread::CapabilitySets {
    let none = rustix::thread::CapabilitySet::empty();
    rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none }
}

#[test]
fn secondaries_are_promoted_once_it_is_set() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    std::fs::write("/proc/sys/net/ipv4/conf/wg0/promote_secondaries", "0").unwrap();
    assert!(!net.link("wg0").unwrap().promotes_secondaries);
    net.promote_secondaries(index).unwrap();
    assert!(net.link("wg0").unwrap().promotes_secondaries);
    ip("address add 10.7.0.1/24 dev wg0");
    ip("address add 10.7.0.2/24 dev wg0");
    ip("address delete 10.7.0.1/24 dev wg0");
    assert!(ip("address show wg0").contains("10.7.0.2/24"));
}
