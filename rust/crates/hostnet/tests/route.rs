//! Routes on a link, compared with iproute2.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use hostnet::{Netlink, OURS, Route};
use ipnet::IpNet;
use namespace::{enter, ip};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Return a namespace with a TUN `wg0` that is up and has an address of each family.
fn interface() -> (Netlink, u32) {
    enter();
    ip("tuntap add wg0 mode tun");
    ip("link set wg0 up");
    ip("address add 10.7.0.1/24 dev wg0");
    ip("address add fd00::1/64 dev wg0");
    let mut net = Netlink::open().unwrap();
    let index = net.link("wg0").unwrap().index;
    (net, index)
}

#[test]
fn a_route_equals_the_one_created_by_ip() {
    let (mut netlink, wg0) = interface();
    for (prefix, table, flag) in [
        ("10.9.0.0/16", None, "-4"),
        ("fd09::/48", None, "-6"),
        ("0.0.0.0/0", Some(51820), "-4"),
        ("::/0", Some(51820), "-6"),
    ] {
        let table_words = table.map(|table: u32| format!(" table {table}")).unwrap_or_default();
        ip(&format!("{flag} route add {prefix} dev wg0 proto {OURS}{table_words}"));
        let theirs = ip(&format!("{flag} -d route show table all dev wg0"));
        ip(&format!("{flag} route delete {prefix} dev wg0{table_words}"));
        netlink.add_route(wg0, net(prefix), table, None).unwrap();
        assert_eq!(ip(&format!("{flag} -d route show table all dev wg0")), theirs);
        assert!(netlink.routes(wg0).unwrap().iter().any(|route| {
            route.destination == net(prefix)
                && route.table == table.unwrap_or(Route::MAIN_TABLE)
                && route.protocol == OURS
        }));
        netlink.remove_route(wg0, net(prefix), table).unwrap();
        assert_eq!(netlink.remove_route(wg0, net(prefix), table).unwrap_err().errno(), Some(3));
    }
}

#[test]
fn routes_of_the_kernel_have_its_protocol() {
    let (mut netlink, wg0) = interface();
    let routes = netlink.routes(wg0).unwrap();
    let find = |prefix| routes.iter().find(|route| route.destination == net(prefix)).unwrap();
    assert_eq!(
        find("10.7.0.0/24"),
        &Route {
            destination: net("10.7.0.0/24"),
            table: Route::MAIN_TABLE,
            link: Some(wg0),
            protocol: Route::BY_KERNEL,
            gateway: None,
            source: Some("10.7.0.1".parse().unwrap()),
            metric: 0,
            mtu: None,
            unreachable: false,
        }
    );
    assert_eq!((find("fd00::/64").protocol, find("fd00::/64").metric), (Route::BY_KERNEL, 256));
    let local = |route: &Route| route.table == 255;
    assert!(!routes.iter().any(local), "addresses of this host and groups are no unicast routes: {routes:?}");
}

#[test]
fn gateway_and_metric_are_listed() {
    let (mut netlink, wg0) = interface();
    ip("route add 10.11.0.0/16 via 10.7.0.9 dev wg0 metric 42");
    let routes = netlink.routes(wg0).unwrap();
    let route = routes.iter().find(|route| route.destination == net("10.11.0.0/16")).unwrap();
    assert_eq!((route.gateway, route.metric), (Some("10.7.0.9".parse().unwrap()), 42));
}

#[test]
fn the_mtu_of_a_route_is_set_in_place_as_by_ip() {
    let (mut netlink, wg0) = interface();
    for (prefix, flag, host) in [("10.9.0.0/16", "-4", "10.9.0.1"), ("fd09::/48", "-6", "fd09::1")] {
        let mtu_of = |netlink: &mut Netlink| {
            let routes = netlink.routes(wg0).unwrap();
            routes.iter().find(|route| route.destination == net(prefix)).map(|route| route.mtu)
        };
        let host = host.parse().unwrap();
        assert_eq!(netlink.set_route_mtu(wg0, net(prefix), None, Some(1400)).unwrap_err().errno(), Some(2));
        netlink.add_route(wg0, net(prefix), None, Some(1400)).unwrap();
        assert_eq!((mtu_of(&mut netlink), netlink.route_mtu(host, 0).unwrap()), (Some(Some(1400)), Some(1400)));
        netlink.set_route_mtu(wg0, net(prefix), None, Some(1300)).unwrap();
        let ours = ip(&format!("{flag} -d route show dev wg0 {prefix}"));
        ip(&format!("{flag} route replace {prefix} dev wg0 proto {OURS} mtu 1300"));
        assert_eq!(ip(&format!("{flag} -d route show dev wg0 {prefix}")), ours);
        netlink.set_route_mtu(wg0, net(prefix), None, None).unwrap();
        assert_eq!((mtu_of(&mut netlink), netlink.route_mtu(host, 0).unwrap()), (Some(None), None));
        netlink.remove_route(wg0, net(prefix), None).unwrap();
    }
}

#[test]
fn a_route_of_others_is_not_removed() {
    let (mut netlink, wg0) = interface();
    for (prefix, flag) in [("10.9.0.0/16", "-4"), ("fd09::/48", "-6")] {
        ip(&format!("{flag} route add {prefix} dev wg0"));
        assert_eq!(netlink.remove_route(wg0, net(prefix), None).unwrap_err().errno(), Some(3));
        assert!(ip(&format!("{flag} route show dev wg0")).contains(prefix));
    }
}

#[test]
fn a_table_is_listed_for_all_links() {
    let (mut netlink, wg0) = interface();
    assert_eq!(netlink.table_routes(77).unwrap(), [], "no such table");
    netlink.add_route(wg0, net("10.9.0.0/16"), Some(77), None).unwrap();
    ip("route add 10.8.0.0/16 dev lo table 77");
    ip("-6 route add blackhole fd08::/48 table 77");
    ip("route add 10.7.0.0/16 dev wg0 table 78");
    let lo = netlink.link("lo").unwrap().index;
    let mut found: Vec<_> = netlink
        .table_routes(77)
        .unwrap()
        .into_iter()
        .map(|route| (route.destination, route.link, route.protocol))
        .collect();
    found.sort();
    // Unreachable IPv6 routes are on the loopback link.
    let all = [("10.8.0.0/16", lo, 3), ("10.9.0.0/16", wg0, OURS), ("fd08::/48", lo, 3)];
    assert_eq!(found, all.map(|(prefix, link, protocol)| (net(prefix), Some(link), protocol)));
    ip("route flush table 77");
    ip("-6 route flush table 77");
    assert_eq!(netlink.table_routes(77).unwrap(), []);
}

#[test]
fn a_listing_of_several_messages_is_complete() {
    let (mut netlink, wg0) = interface();
    for number in 0u16..2000 {
        let [high, low] = number.to_be_bytes();
        netlink.add_route(wg0, net(&format!("172.16.{high}.{low}/32")), Some(7), None).unwrap();
    }
    assert_eq!(netlink.routes(wg0).unwrap().iter().filter(|route| route.table == 7).count(), 2000);
}

#[test]
fn an_existing_route_is_reported() {
    let (mut netlink, wg0) = interface();
    netlink.add_route(wg0, net("10.9.0.0/16"), None, None).unwrap();
    let error = netlink.add_route(wg0, net("10.9.0.0/16"), None, None).unwrap_err();
    assert_eq!(error.errno(), Some(17));
    assert!(error.to_string().starts_with("adding route 10.9.0.0/16 on link \"wg0\": File exists"), "{error}");
}

#[test]
fn the_link_for_a_datagram_depends_on_destination_source_and_mark() {
    let (mut netlink, wg0) = interface();
    ip("tuntap add wan mode tun");
    ip("link set wan up");
    ip("address add 192.0.2.1/24 dev wan");
    ip("address add 2001:db8::1/64 dev wan");
    let wan = netlink.link("wan").unwrap().index;
    ip("route add 198.51.100.0/24 dev wan");
    ip("-6 route add 2001:db8:1::/48 dev wan");
    ip("rule add fwmark 51820 table 9");
    ip("route add default dev wg0 table 9");
    ip("rule add from 10.7.0.1 table 10");
    ip("route add 198.51.100.0/24 dev wg0 table 10");
    let mut by = |destination: &str, source: &str, mark| {
        netlink
            .route_to(destination.parse().unwrap(), Some(source.parse().unwrap()), mark)
            .map_err(|error| error.errno())
    };
    assert_eq!(by("198.51.100.7", "192.0.2.1", 0), Ok(wan));
    assert_eq!(by("198.51.100.7", "192.0.2.1", 51820), Ok(wg0));
    assert_eq!(by("198.51.100.7", "10.7.0.1", 0), Ok(wg0));
    assert_eq!(by("2001:db8:1::7", "2001:db8::1", 0), Ok(wan));
    assert!(by("198.51.100.7", "192.0.2.99", 0).is_err(), "not an address of this host");
    assert_eq!(by("203.0.113.1", "192.0.2.1", 0), Err(Some(101)));
    assert_eq!(by("2001:db8:2::7", "2001:db8::1", 0), Err(Some(101)));
}

#[test]
fn a_fallback_equals_the_one_created_by_ip_and_is_found_by_every_process() {
    let (mut netlink, _) = interface();
    for (prefix, flag) in [("0.0.0.0/0", "-4"), ("::/0", "-6")] {
        let words = "unreachable default metric 4294967295 table 51820";
        ip(&format!("{flag} route add {words} proto {OURS}"));
        let theirs = ip(&format!("{flag} -d route show table 51820"));
        ip(&format!("{flag} route delete {words}"));
        netlink.add_fallback(net(prefix), 51820).unwrap();
        assert_eq!(ip(&format!("{flag} -d route show table 51820")), theirs);
        assert_eq!(netlink.add_fallback(net(prefix), 51820).unwrap_err().errno(), Some(17));
        let found = Netlink::open().unwrap().fallbacks().unwrap();
        assert!(found.iter().any(|route| (route.destination, route.table) == (net(prefix), 51820)), "{found:?}");
        netlink.remove_fallback(net(prefix), 51820).unwrap();
        assert_eq!(netlink.remove_fallback(net(prefix), 51820).unwrap_err().errno(), Some(3));
        ip(&format!("{flag} route add {words}"));
        assert_eq!(netlink.fallbacks().unwrap(), []);
        assert!(netlink.remove_fallback(net(prefix), 51820).is_err(), "it belongs to another program");
    }
}

#[test]
fn a_connected_route_is_the_kernels_own_again_and_goes_with_its_address() {
    let (mut netlink, wg0) = interface();
    ip("tuntap add wg1 mode tun");
    ip("link set wg1 up");
    ip("address add 10.7.0.9/24 dev wg1");
    ip("address add fd00::9/64 dev wg1");
    for (address, prefix, flag) in [("10.7.0.1/24", "10.7.0.0/24", "-4"), ("fd00::1/64", "fd00::/64", "-6")] {
        let listed = || ip(&format!("{flag} -d route show dev wg0")).lines().any(|line| line.contains(prefix));
        let before = ip(&format!("{flag} -d route show dev wg0"));
        ip(&format!("{flag} route delete {prefix} dev wg0"));
        assert!(!listed());
        netlink.add_connected_route(wg0, net(address)).unwrap();
        assert_eq!(ip(&format!("{flag} -d route show dev wg0")), before);
        netlink.remove_address(wg0, net(address)).unwrap();
        assert!(!listed());
    }
}
