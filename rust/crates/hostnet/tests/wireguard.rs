//! A kernel without WireGuard, and links of other kinds. A kernel with it is tested in a virtual machine (tests/qemu).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use std::path::Path;

use hostnet::{NetError, Netlink, WireGuard};
use namespace::{enter, ip};
use proto::change::InterfaceChange;

fn has_wireguard() -> bool {
    Path::new("/sys/module/wireguard").exists()
}

#[test]
fn a_kernel_without_wireguard_is_reported_and_nothing_created() {
    enter();
    let mut netlink = Netlink::open().unwrap();
    match netlink.create_wireguard("wg0") {
        Ok(()) => {
            let link = netlink.link("wg0").unwrap();
            assert!(has_wireguard() && link.ours && link.kind.as_deref() == Some("wireguard"), "{link:?}");
        }
        Err(error) => {
            assert!(matches!(error, NetError::NoWireGuard), "{error}");
            assert!(!has_wireguard() && netlink.link("wg0").is_err());
        }
    }
}

#[test]
fn an_existing_link_is_reported() {
    enter();
    ip("tuntap add wg0 mode tun");
    let error = Netlink::open().unwrap().create_wireguard("wg0").unwrap_err();
    assert_eq!(error.to_string(), "link \"wg0\" already exists");
}

#[test]
fn a_link_of_another_kind_is_reported() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut wireguard = WireGuard::open().unwrap();
    let errors = [
        wireguard.get("wg0").unwrap_err(),
        wireguard.set("wg0", &InterfaceChange { fwmark: Some(1), ..InterfaceChange::default() }).unwrap_err(),
    ];
    for error in errors {
        let expected =
            if has_wireguard() { "is not a kernel WireGuard interface" } else { "this kernel has no WireGuard" };
        assert!(error.to_string().contains(expected), "{error}");
    }
}
