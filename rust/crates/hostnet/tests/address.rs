//! Addresses of a link, compared with iproute2.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use hostnet::{Address, Netlink};
use ipnet::IpNet;
use namespace::{enter, ip};

#[test]
fn addresses_are_added_listed_and_removed_like_ip() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("link set wg0 up");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    let ours: Vec<IpNet> = ["10.7.0.1/24", "192.0.2.9/32", "fd00::1/64"].iter().map(|a| a.parse().unwrap()).collect();
    for address in &ours {
        net.add_address(index, *address).unwrap();
    }
    let shown = ip("-o address show wg0");
    for address in &ours {
        assert!(shown.contains(&format!("{address} scope global")), "{address} in {shown}");
    }
    net.remove_address(index, ours[0]).unwrap();
    ip("address add 10.9.0.1 peer 10.9.0.2/32 dev wg0");
    let mut left = net.addresses(index).unwrap();
    left.retain(|address| !address.network.to_string().starts_with("fe80"));
    let of_others = Address { network: "10.9.0.1/32".parse().unwrap(), ours: false };
    let [_, second, third] = [0, 1, 2].map(|number| Address { network: ours[number], ours: true });
    assert_eq!(left, [second, of_others, third]);
}

#[test]
fn an_address_is_ours_for_a_process_that_comes_later_and_not_once_another_program_added_it_again() {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("link set wg0 up");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    for text in ["10.7.0.1/24", "fe80::7/64"] {
        let network: IpNet = text.parse().unwrap();
        net.add_address(index, network).unwrap();
        let mut later = Netlink::open().unwrap();
        assert!(later.addresses(index).unwrap().contains(&Address { network, ours: true }));
        ip(&format!("address delete {text} dev wg0"));
        ip(&format!("address add {text} dev wg0"));
        assert!(net.addresses(index).unwrap().contains(&Address { network, ours: false }));
    }
}

#[test]
fn addresses_of_other_links_are_not_listed() {
    enter();
    ip("tuntap add wg0 mode tun");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    assert_eq!(net.addresses(index).unwrap(), []);
}

#[test]
fn adding_an_address_twice_fails_with_address_and_link() {
    enter();
    let mut net = Netlink::open().unwrap();
    let (lo, address) = (net.link("lo").unwrap().index, "10.7.0.1/24".parse().unwrap());
    net.add_address(lo, address).unwrap();
    let error = net.add_address(lo, address).unwrap_err();
    assert_eq!(error.errno(), Some(17));
    assert!(error.to_string().starts_with("adding address 10.7.0.1/24 to link \"lo\": File exists"), "{error}");
    net.remove_address(lo, address).unwrap();
    assert_eq!(net.remove_address(lo, address).unwrap_err().errno(), Some(99));
}
