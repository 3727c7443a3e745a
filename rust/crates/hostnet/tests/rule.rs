//! Rules of policy routing, compared with iproute2.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

mod namespace;

use hostnet::{Netlink, OURS, Rule, Version};
use namespace::{enter, ip};

const MARKED: Rule = Rule {
    version: Version::V4,
    priority: 32_765,
    fwmark: 0xca6c,
    fwmask: u32::MAX,
    invert: true,
    table: 51_820,
    suppress_prefix_length: None,
};

/// Return both rules of a default route for both IP versions, and one with every other field different.
fn some() -> Vec<Rule> {
    let main = Rule { priority: 32_764, table: 254, suppress_prefix_length: Some(0), ..MARKED };
    let masked = Rule { priority: 7, fwmark: 0x100, fwmask: 0xff00, invert: false, table: 5, ..MARKED };
    let v6 = |rule| Rule { version: Version::V6, ..rule };
    vec![masked, main, MARKED, v6(main), v6(MARKED)]
}

#[test]
fn a_rule_equals_the_one_created_by_ip() {
    enter();
    let mut netlink = Netlink::open().unwrap();
    for (words, rule) in [
        ("-4 rule add not fwmark 51820 table 51820 priority 32765", MARKED),
        (
            "-6 rule add fwmark 0x100/0xff00 table main suppress_prefixlength 0 priority 7",
            Rule {
                version: Version::V6,
                priority: 7,
                fwmark: 0x100,
                fwmask: 0xff00,
                invert: false,
                table: 254,
                suppress_prefix_length: Some(0),
            },
        ),
    ] {
        let (flag, rest) = words.split_once(' ').unwrap();
        let show = format!("{flag} -d rule show");
        let untouched = ip(&show);
        ip(&format!("{words} protocol {OURS}"));
        let theirs = ip(&show);
        assert_eq!(netlink.rules().unwrap(), [rule]);
        netlink.remove_rule(rule).unwrap();
        assert_eq!(ip(&show), untouched, "after {rest}");
        netlink.add_rule(rule).unwrap();
        assert_eq!(ip(&show), theirs);
        netlink.remove_rule(rule).unwrap();
    }
}

#[test]
fn a_rule_is_listed_and_removed() {
    enter();
    let mut netlink = Netlink::open().unwrap();
    let untouched = (ip("rule show"), ip("-6 rule show"));
    assert_eq!(netlink.rules().unwrap(), []);
    for rule in some() {
        netlink.add_rule(rule).unwrap();
    }
    assert_eq!(netlink.rules().unwrap(), some());
    for (done, rule) in some().into_iter().enumerate() {
        netlink.remove_rule(rule).unwrap();
        assert_eq!(netlink.rules().unwrap(), some()[done + 1..]);
    }
    assert_eq!((ip("rule show"), ip("-6 rule show")), untouched);
}

#[test]
fn rules_of_others_are_neither_listed_nor_removed() {
    enter();
    let mut netlink = Netlink::open().unwrap();
    for words in [
        "rule add not fwmark 51820 table 51820 priority 32765",
        "rule add not fwmark 51820 table 51820 priority 32765 protocol 18",
        "rule add from 10.0.0.0/8 fwmark 51820 table 51820 priority 32765 protocol 119",
        "rule add iif lo fwmark 51820 table 51820 priority 32765 protocol 119",
        "rule add fwmark 51820 blackhole priority 32765 protocol 119",
    ] {
        ip(words);
        assert_eq!(netlink.rules().unwrap(), [], "{words}");
    }
    ip("rule delete from 10.0.0.0/8 protocol 119");
    ip("rule delete iif lo protocol 119");
    ip("rule delete blackhole protocol 119");
    assert_eq!(netlink.remove_rule(MARKED).unwrap_err().errno(), Some(2));
    assert_eq!(ip("rule show priority 32765").lines().count(), 2);
}

#[test]
fn an_error_names_the_rule() {
    enter();
    let mut netlink = Netlink::open().unwrap();
    netlink.add_rule(MARKED).unwrap();
    let error = netlink.add_rule(MARKED).unwrap_err();
    assert_eq!(error.errno(), Some(17));
    let words = "adding rule 32765: not fwmark 0xca6c/0xffffffff lookup 51820: File exists";
    assert!(error.to_string().starts_with(words), "{error}");
    let missing = Rule { version: Version::V6, suppress_prefix_length: Some(0), invert: false, ..MARKED };
    let error = netlink.remove_rule(missing).unwrap_err();
    assert_eq!(error.errno(), Some(2));
    let words = "removing rule -6 32765: fwmark 0xca6c/0xffffffff lookup 51820 suppress_prefixlength 0: No such";
    assert!(error.to_string().starts_with(words), "{error}");
}
