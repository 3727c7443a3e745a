//! The exit policy case by case, and against a judge that reads its lists from the start each time.

use proptest::prelude::*;

use super::*;
use std::net::Ipv6Addr;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn entries(texts: &[&str]) -> Vec<Entry> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn rules(deny: &[&str], allow: &[&str], allow_lan: bool) -> Rules {
    Rules { deny: entries(deny), allow: entries(allow), routes: nets(&["0.0.0.0/0", "::/0"]), allow_lan }
}

fn host() -> HostTable {
    HostTable::new(
        &[ip("203.0.113.7"), ip("10.1.2.3"), ip("2001:db8:1::7")],
        &nets(&["203.0.113.0/25", "10.1.2.0/24", "192.0.2.4/31", "2001:db8:1::/64"]),
        &nets(&["100.72.0.0/16", "fd00:77::/48"]),
    )
}

fn judged(rules: &Rules, address: &str, port: Port) -> Result<(), Refusal> {
    Policy::new(rules, host()).judge(ip(address), port)
}

#[test]
fn entries_are_parsed_and_printed_as_they_were() {
    for text in ["10.0.0.0/8", "192.0.2.1/32:25", "0.0.0.0/0:1-1023", "2001:db8::/32", "[::/0]:443", "[fd00::/8]:1-9"] {
        assert_eq!(text.parse::<Entry>().unwrap().to_string(), text);
    }
    let address: Entry = "[2001:db8::1]:22".parse().unwrap();
    assert_eq!(address, Entry { prefix: "2001:db8::1/128".parse().unwrap(), ports: Some((22, 22)) });
    assert_eq!("192.0.2.1:80".parse::<Entry>().unwrap().to_string(), "192.0.2.1/32:80");
}

#[test]
fn an_entry_that_cannot_be_read_is_refused_with_what_was_expected() {
    let cases = [
        ("", "invalid prefix \"\""),
        ("example.org", "invalid prefix \"example.org\""),
        ("10.0.0.0/33", "invalid prefix \"10.0.0.0/33\""),
        ("10.1.0.0/8", "it has host bits set; write 10.0.0.0/8"),
        ("10.0.0.0/8:", "invalid port \"\""),
        ("10.0.0.0/8:0", "invalid port \"0\""),
        ("10.0.0.0/8:65536", "invalid port \"65536\""),
        ("10.0.0.0/8:+80", "invalid port \"+80\""),
        ("10.0.0.0/8:90-80", "invalid port \"90-80\""),
        ("10.0.0.0/8:80-", "invalid port \"80-\""),
        ("10.0.0.0/8:1-2-3", "invalid port \"1-2-3\""),
        ("[10.0.0.0/8]:80", "is written [2001:db8::/32]:443"),
        ("[2001:db8::/32]", "is written [2001:db8::/32]:443"),
        ("[2001:db8::/32", "is written [2001:db8::/32]:443"),
        ("[2001:db8::/32]80", "is written [2001:db8::/32]:443"),
        ("2001:db8::/129", "invalid prefix \"2001:db8::/129\""),
        (" 10.0.0.0/8", "invalid prefix \" 10.0.0.0/8\""),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Entry>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn addresses_of_this_host_and_special_ones_are_refused_whatever_is_allowed() {
    let open = rules(&[], &["0.0.0.0/0", "::/0", "127.0.0.1/32", "10.1.2.3/32", "100.72.0.0/16", "fd00:77::/48"], true);
    let cases = [
        ("203.0.113.7", Refusal::Own),
        ("10.1.2.3", Refusal::Own),
        ("2001:db8:1::7", Refusal::Own),
        ("10.1.2.255", Refusal::Broadcast),
        ("10.1.2.0", Refusal::Broadcast),
        ("203.0.113.127", Refusal::Broadcast),
        ("100.72.3.4", Refusal::Mesh),
        ("fd00:77::1", Refusal::Mesh),
        ("127.0.0.1", Refusal::Special),
        ("0.0.0.0", Refusal::Special),
        ("255.255.255.255", Refusal::Special),
        ("::ffff:8.8.8.8", Refusal::Special),
        ("64:ff9b::7f00:1", Refusal::Special),
        ("64:ff9b::a01:203", Refusal::Own),
        ("2002:cb00:7107::1", Refusal::Own),
        ("2002:a01:2ff::", Refusal::Broadcast),
        ("64:ff9b:1:fffe::6448:1", Refusal::Mesh),
        ("64:ff9b:1:a9fe:a9:fe00::", Refusal::Special),
    ];
    for (address, expected) in cases {
        for port in [Port::Tcp(443), Port::Udp(53), Port::Echo] {
            assert_eq!(judged(&open, address, port), Err(expected), "{address}");
        }
    }
    assert_eq!(judged(&open, "192.0.2.4", Port::Tcp(443)), Ok(()), "a subnet of two has no broadcast");
}

#[test]
fn deny_comes_before_allow() {
    let rules = rules(&["8.8.8.0/24:53", "9.9.9.9/32"], &["8.8.8.8/32", "9.9.9.0/24"], false);
    assert_eq!(judged(&rules, "8.8.8.8", Port::Udp(53)), Err(Refusal::Denied));
    assert_eq!(judged(&rules, "8.8.8.8", Port::Udp(54)), Ok(()));
    assert_eq!(judged(&rules, "8.8.8.8", Port::Echo), Ok(()), "an entry with ports does not name an echo");
    assert_eq!(judged(&rules, "9.9.9.9", Port::Echo), Err(Refusal::Denied));
    assert_eq!(judged(&rules, "64:ff9b::909:909", Port::Tcp(1)), Err(Refusal::Denied));
}

#[test]
fn mail_needs_an_entry_that_names_its_port() {
    assert_eq!(judged(&rules(&[], &[], true), "8.8.8.8", Port::Tcp(25)), Err(Refusal::Smtp));
    assert_eq!(judged(&rules(&[], &["0.0.0.0/0"], true), "8.8.8.8", Port::Tcp(25)), Err(Refusal::Smtp));
    assert_eq!(judged(&rules(&[], &[], true), "8.8.8.8", Port::Udp(25)), Ok(()));
    let named = rules(&[], &["8.8.8.8/32:20-30", "0.0.0.0/0"], false);
    assert_eq!(judged(&named, "8.8.8.8", Port::Tcp(25)), Ok(()));
    assert_eq!(judged(&named, "8.8.4.4", Port::Tcp(25)), Err(Refusal::Smtp));
    assert_eq!(judged(&named, "64:ff9b::808:808", Port::Tcp(25)), Ok(()));
}

#[test]
fn a_local_network_is_opened_by_allow_lan_or_by_an_entry_within_it() {
    let (closed, lan) = (rules(&[], &[], false), rules(&[], &[], true));
    assert_eq!(judged(&closed, "10.1.2.9", Port::Echo), Err(Refusal::Attached));
    assert_eq!(judged(&closed, "10.9.9.9", Port::Echo), Err(Refusal::Private));
    assert_eq!(judged(&closed, "203.0.113.8", Port::Echo), Err(Refusal::Attached));
    assert_eq!(judged(&closed, "64:ff9b::a09:909", Port::Echo), Err(Refusal::Private));
    assert_eq!(judged(&lan, "10.1.2.9", Port::Echo), Ok(()));
    assert_eq!(judged(&lan, "10.9.9.9", Port::Echo), Err(Refusal::Private), "private, but not attached");
    let wide = rules(&[], &["0.0.0.0/0:443", "10.0.0.0/7"], false);
    assert_eq!(judged(&wide, "10.9.9.9", Port::Tcp(443)), Err(Refusal::Private));
    assert_eq!(judged(&wide, "203.0.113.8", Port::Tcp(443)), Err(Refusal::Attached));
    assert_eq!(judged(&wide, "8.8.8.8", Port::Tcp(443)), Ok(()));
    let named = rules(&[], &["10.0.0.0/8:443", "203.0.113.0/25"], false);
    assert_eq!(judged(&named, "10.9.9.9", Port::Tcp(443)), Ok(()));
    assert_eq!(judged(&named, "10.9.9.9", Port::Tcp(80)), Err(Refusal::Private));
    assert_eq!(judged(&named, "203.0.113.8", Port::Echo), Ok(()));
}

#[test]
fn routes_and_allow_bound_the_rest() {
    let subnet = Rules { routes: nets(&["192.168.5.0/24"]), allow: entries(&["192.168.5.0/24"]), ..Rules::default() };
    assert_eq!(judged(&subnet, "192.168.5.5", Port::Tcp(80)), Ok(()));
    assert_eq!(judged(&subnet, "8.8.8.8", Port::Tcp(80)), Err(Refusal::OutsideRoutes));
    assert_eq!(judged(&subnet, "64:ff9b::c0a8:505", Port::Tcp(80)), Err(Refusal::OutsideRoutes));
    let some = rules(&[], &["0.0.0.0/0:443"], false);
    assert_eq!(judged(&some, "8.8.8.8", Port::Tcp(443)), Ok(()));
    assert_eq!(judged(&some, "8.8.8.8", Port::Tcp(80)), Err(Refusal::NotAllowed));
    assert_eq!(judged(&some, "8.8.8.8", Port::Echo), Err(Refusal::NotAllowed));
    assert_eq!(judged(&some, "64:ff9b::808:808", Port::Tcp(443)), Ok(()));
    assert_eq!(judged(&some, "2001:db8::1", Port::Tcp(443)), Err(Refusal::NotAllowed));
}

#[test]
fn a_direct_dial_is_bound_by_the_first_three_rules_alone() {
    let policy = Policy::new(&Rules { allow: entries(&["8.8.8.8/32"]), ..Rules::default() }, host());
    assert_eq!(policy.judge_direct(ip("9.9.9.9"), Port::Tcp(443)), Ok(()));
    assert_eq!(policy.judge(ip("9.9.9.9"), Port::Tcp(443)), Err(Refusal::OutsideRoutes));
    assert_eq!(policy.judge_direct(ip("127.0.0.1"), Port::Tcp(443)), Err(Refusal::Special));
    assert_eq!(policy.judge_direct(ip("10.1.2.9"), Port::Tcp(443)), Err(Refusal::Attached));
    assert_eq!(policy.judge_direct(ip("9.9.9.9"), Port::Tcp(25)), Err(Refusal::Smtp));
}

#[test]
fn a_new_host_table_counts_at_once() {
    let mut policy = Policy::new(&rules(&[], &[], false), host());
    assert_eq!(policy.judge(ip("198.51.100.9"), Port::Echo), Ok(()));
    policy.set_host(HostTable::new(&[ip("198.51.100.9")], &nets(&["198.51.100.0/24"]), &[]));
    assert_eq!(policy.judge(ip("198.51.100.9"), Port::Echo), Err(Refusal::Own));
    assert_eq!(policy.judge(ip("198.51.100.10"), Port::Echo), Err(Refusal::Attached));
    assert_eq!(policy.judge(ip("203.0.113.7"), Port::Echo), Ok(()), "an address that this host had before");
}

#[test]
fn many_entries_with_ports_of_one_prefix_are_one_list_of_ranges() {
    let deny: Vec<Entry> = (1..10_000).map(|port| format!("8.8.8.8/32:{port}").parse().unwrap()).collect();
    let policy = Policy::new(&Rules { deny, ..rules(&[], &[], false) }, host());
    assert_eq!(policy.deny.0.containing(ip("8.8.8.8")).count(), 1);
    assert_eq!(policy.judge(ip("8.8.8.8"), Port::Udp(9_999)), Err(Refusal::Denied));
    assert_eq!(policy.judge(ip("8.8.8.8"), Port::Udp(10_000)), Ok(()));
}

#[test]
fn ranges_of_one_prefix_may_overlap() {
    let texts = ["8.8.8.8/32:50-60", "8.8.8.8/32:10-30", "8.8.8.8/32:20-40", "8.8.8.8/32:12-13", "8.8.8.8/32:41"];
    let denied = rules(&texts, &[], false);
    for port in 1..70 {
        let expected = matches!(port, 10..=41 | 50..=60);
        assert_eq!(judged(&denied, "8.8.8.8", Port::Udp(port)).is_err(), expected, "{port}");
    }
}

/// Judge by the lists themselves, in the order of the page.
fn naive(rules: &Rules, own: &[IpAddr], attached: &[IpNet], mesh: &[IpNet], address: IpAddr, port: Port) -> bool {
    let readings: Vec<IpAddr> = special::readings(address).iter().collect();
    let all = || readings.iter().copied().chain([address]);
    let number = match port {
        Port::Tcp(port) | Port::Udp(port) => Some(port),
        Port::Echo => None,
    };
    let names = |entry: &Entry, address: IpAddr| {
        entry.prefix.contains(&address)
            && entry.ports.is_none_or(|(first, last)| number.is_some_and(|port| (first..=last).contains(&port)))
    };
    let broadcast = |address: IpAddr| {
        attached.iter().any(|subnet| {
            subnet.addr().is_ipv4()
                && subnet.prefix_len() < 31
                && (subnet.broadcast() == address || subnet.network() == address)
        })
    };
    let never = all().any(|address| {
        own.contains(&address)
            || broadcast(address)
            || mesh.iter().any(|prefix| prefix.contains(&address))
            || special::class(address) == Some(Class::Never)
    });
    let denied = all().any(|address| rules.deny.iter().any(|entry| names(entry, address)));
    let mail = port == Port::Tcp(25)
        && readings.iter().any(|at| !rules.allow.iter().any(|entry| entry.ports.is_some() && names(entry, *at)));
    let local = readings.iter().any(|address| {
        let subnet = attached.iter().filter(|subnet| subnet.contains(address)).max_by_key(|subnet| subnet.prefix_len());
        let private = special::private_range(*address).map(|(first, length)| IpNet::new(first, length).unwrap());
        let Some(scope) = private.or(subnet.copied()) else { return false };
        let named = rules.allow.iter().any(|entry| names(entry, *address) && scope.contains(&entry.prefix));
        !(named || subnet.is_some() && rules.allow_lan)
    });
    let routed = rules.routes.iter().any(|prefix| prefix.contains(&address));
    let named = |address: IpAddr| rules.allow.iter().any(|entry| names(entry, address));
    let allowed = rules.allow.is_empty() || named(address) || readings.iter().all(|reading| named(*reading));
    !never && !denied && !mail && !local && routed && allowed
}

/// Few addresses, of every class, so that lists and destinations meet.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let v4 = (prop::sample::select(vec![0x0a01_0200, 0x0808_0800, 0xc0a8_0100, 0x7f00_0000, 0x6440_0000]), 0u32..8)
        .prop_map(|(base, host): (u32, u32)| Ipv4Addr::from_bits(base | host));
    let v4 = v4.boxed();
    prop_oneof![
        4 => v4.clone().prop_map(IpAddr::from),
        1 => v4.clone().prop_map(|v4| Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(v4.to_bits())).into()),
        1 => v4.clone().prop_map(|v4| Ipv6Addr::from_bits(0x64_ff9b_0001 << 80 | u128::from(v4.to_bits())).into()),
        1 => v4.prop_map(|v4| Ipv6Addr::from_bits(0x2002 << 112 | u128::from(v4.to_bits()) << 80).into()),
        2 => (prop::sample::select(vec![0x2001_0db8_u128 << 96, 0xfd00 << 112, 0xfe80 << 112, 0]), 0u128..8)
            .prop_map(|(base, host)| Ipv6Addr::from_bits(base | host).into()),
    ]
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    (addresses(), 0u8..=128).prop_map(|(address, length)| {
        let full = if address.is_ipv4() { 32 } else { 128 };
        // Long ones more often, as short ones contain everything.
        IpNet::new(address, full - (length / 4).min(full)).unwrap().trunc()
    })
}

fn some_entries() -> impl Strategy<Value = Vec<Entry>> {
    let ports = prop::option::of((20u16..30, 0u16..6).prop_map(|(first, more)| (first, first + more)));
    prop::collection::vec((prefixes(), ports).prop_map(|(prefix, ports)| Entry { prefix, ports }), 0..6)
}

fn ports() -> impl Strategy<Value = Port> {
    prop_oneof![(20u16..36).prop_map(Port::Tcp), (20u16..36).prop_map(Port::Udp), Just(Port::Echo)]
}

proptest! {
    #[test]
    fn the_policy_agrees_with_a_naive_judge(
        (deny, allow, allow_lan) in (some_entries(), some_entries(), any::<bool>()),
        (own, attached, mesh) in (
            prop::collection::vec(addresses(), 0..3),
            prop::collection::vec(prefixes(), 0..4),
            prop::collection::vec(prefixes(), 0..2),
        ),
        routes in prop_oneof![Just(nets(&["0.0.0.0/0", "::/0"])), prop::collection::vec(prefixes(), 0..4)],
        destinations in prop::collection::vec((addresses(), ports()), 40),
    ) {
        let rules = Rules { deny, allow, routes, allow_lan };
        let policy = Policy::new(&rules, HostTable::new(&own, &attached, &mesh));
        for (address, port) in destinations {
            let expected = naive(&rules, &own, &attached, &mesh, address, port);
            let verdict = policy.judge(address, port);
            prop_assert_eq!(verdict.is_ok(), expected, "{} {:?}: {:?}", address, port, verdict);
        }
    }

    #[test]
    fn an_entry_prints_what_it_parses(prefix in prefixes(), ports in prop::option::of((1u16.., 1u16..))) {
        let ports = ports.map(|(a, b)| (a.min(b), a.max(b)));
        let entry = Entry { prefix, ports };
        prop_assert_eq!(entry.to_string().parse::<Entry>(), Ok(entry));
    }
}
