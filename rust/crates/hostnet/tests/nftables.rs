//! The guard of a default route, compared with nft(8).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use std::io::Write;
use std::process::{Command, Stdio};

use hostnet::{Guard, NetError, Nftables, Version};
use namespace::enter;

/// Return the output of `nft` for these commands.
fn nft(commands: &str) -> String {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nft(8) is needed");
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{commands}");
    String::from_utf8(output.stdout).unwrap()
}

fn ruleset() -> String {
    nft("list ruleset")
}

fn guard(link: &str, version: Version, addresses: &[&str]) -> Guard {
    Guard {
        link: link.into(),
        version,
        fwmark: 0xca6c,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        sets_valid_mark: false,
    }
}

fn some() -> Vec<Guard> {
    vec![
        guard("wg0", Version::V4, &["10.9.0.1", "10.9.1.1"]),
        Guard { sets_valid_mark: true, ..guard("fifteen-octets_", Version::V4, &["192.0.2.1"]) },
        guard("wg0", Version::V6, &["fd09::1"]),
        guard("wg1", Version::V6, &[]),
    ]
}

const BY_NFT: &str = "
table ip warren-wg0 {
    comment \"made by Warren\"
    chain preraw {
        type filter hook prerouting priority raw;
        iifname != \"wg0\" ip daddr 10.9.0.1 fib saddr type != local drop
        iifname != \"wg0\" ip daddr 10.9.1.1 fib saddr type != local drop
    }
    chain premangle {
        type filter hook prerouting priority mangle;
        meta l4proto udp ct mark 51820 meta mark set ct mark
    }
    chain postmangle {
        type filter hook postrouting priority mangle;
        meta l4proto udp meta mark 51820 ct mark set meta mark
    }
}
table ip6 warren-wg0 {
    comment \"made by Warren\"
    chain preraw {
        type filter hook prerouting priority raw;
        iifname != \"wg0\" ip6 daddr fd09::1 fib saddr type != local drop
    }
    chain premangle {
        type filter hook prerouting priority mangle;
        meta l4proto udp ct mark 51820 meta mark set ct mark
    }
    chain postmangle {
        type filter hook postrouting priority mangle;
        meta l4proto udp meta mark 51820 ct mark set meta mark
    }
}
";

#[test]
fn a_guard_equals_the_table_created_by_nft() {
    enter();
    let (wanted, mut nftables) = (some(), Nftables::open());
    nft(BY_NFT);
    let theirs = ruleset();
    assert_eq!(nftables.guards().unwrap(), [wanted[0].clone(), wanted[2].clone()]);
    nft("flush ruleset");
    for guard in [&wanted[0], &wanted[2]] {
        nftables.set_guard(guard).unwrap();
    }
    assert_eq!(ruleset(), theirs);
}

#[test]
fn a_guard_is_listed_replaced_and_removed() {
    enter();
    let mut nftables = Nftables::open();
    assert_eq!(nftables.guards().unwrap(), []);
    for guard in some() {
        nftables.set_guard(&guard).unwrap();
    }
    let sorted = |mut guards: Vec<Guard>| {
        guards.sort_by_key(|guard| (guard.version == Version::V6, guard.link.clone()));
        guards
    };
    assert_eq!(sorted(nftables.guards().unwrap()), sorted(some()));
    let other = Guard { fwmark: 7, addresses: vec!["10.8.0.1".parse().unwrap()], ..some()[0].clone() };
    nftables.set_guard(&other).unwrap();
    assert!(nftables.guards().unwrap().contains(&other) && !nftables.guards().unwrap().contains(&some()[0]));
    for guard in some() {
        nftables.remove_guard(guard.version, &guard.link).unwrap();
    }
    assert_eq!(ruleset(), "");
    assert_eq!(nftables.remove_guard(Version::V4, "wg0").unwrap_err().errno(), Some(2));
}

#[test]
fn tables_of_others_are_neither_listed_nor_changed() {
    enter();
    let mut nftables = Nftables::open();
    for theirs in [
        "table ip warren-wg0 { chain preraw { type filter hook prerouting priority raw; }; }",
        "table ip warren-wg0 { comment \"made by hand\"; }",
        "table ip wg-quick-wg0 { comment \"made by Warren\"; }",
        "table inet warren-wg0 { comment \"made by Warren\"; }",
    ] {
        nft("flush ruleset");
        nft(theirs);
        let before = ruleset();
        assert_eq!(nftables.guards().unwrap(), [], "{theirs}");
        assert_eq!(nftables.remove_guard(Version::V4, "wg0").unwrap_err().errno(), Some(2));
        if theirs.starts_with("table ip warren-wg0") {
            let error = nftables.set_guard(&some()[0]).unwrap_err();
            assert_eq!(error.errno(), Some(17));
            let words = "adding nftables table ip warren-wg0: File exists";
            assert!(error.to_string().starts_with(words), "{error}");
        }
        assert_eq!(ruleset(), before);
    }
}

#[test]
fn a_changed_guard_has_no_mark_and_is_replaced() {
    enter();
    let mut nftables = Nftables::open();
    for change in [
        "flush table ip warren-wg0",
        "flush chain ip warren-wg0 preraw",
        "flush chain ip warren-wg0 premangle",
        "add rule ip warren-wg0 preraw accept",
        "add rule ip warren-wg0 postmangle ip daddr 10.9.0.1 drop",
    ] {
        nftables.set_guard(&some()[0]).unwrap();
        nft(change);
        let found = nftables.guards().unwrap();
        assert!(found.len() == 1 && found != some()[..1], "{change}: {found:?}");
        nftables.set_guard(&some()[0]).unwrap();
        assert_eq!(nftables.guards().unwrap(), some()[..1], "{change}");
    }
}

#[test]
fn a_failed_transaction_changes_nothing() {
    enter();
    let mut nftables = Nftables::open();
    nftables.set_guard(&some()[0]).unwrap();
    let before = ruleset();
    let long = Guard { link: "a-name-that-is-too-long-for-a-table".repeat(8), ..some()[0].clone() };
    assert!(nftables.set_guard(&long).is_err());
    assert_eq!(ruleset(), before);
    nftables.set_guard(&some()[1]).unwrap();
    assert_eq!(nftables.guards().unwrap().len(), 2, "what is said of a transaction that failed is passed over");
}

#[test]
fn a_missing_privilege_is_reported() {
    enter();
    let mut nftables = Nftables::open();
    let mut capabilities = rustix::thread::capabilities(None).unwrap();
    capabilities.effective.remove(rustix::thread::CapabilitySet::NET_ADMIN);
    rustix::thread::set_capabilities(None, capabilities).unwrap();
    for error in [nftables.guards().unwrap_err(), nftables.set_guard(&some()[0]).unwrap_err()] {
        assert!(matches!(error, NetError::NotPermitted { .. }), "{error}");
    }
}
