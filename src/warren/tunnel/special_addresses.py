"""Classes of addresses that an exit node treats apart from the rest of the Internet. Pure.

The prefixes are those of `rust/crates/netstack/src/special.rs`, which says what each of them is; a test compares both.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

NEVER_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "224.0.0.0/3",
            "100.100.100.200/32",
            "168.63.129.16/32",
        ),
    )
)
"""Never a destination: they mean this host, one link, many hosts, or the metadata service of a cloud."""
NEVER_V6 = tuple(
    map(
        IPv6Network,
        (
            "::/96",
            "::ffff:0:0/96",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
            "2001::/32",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
            "fd00:a9fe:a9fe::1/128",
        ),
    )
)
PRIVATE_V4 = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"))
)
PRIVATE_V6 = (IPv6Network("fc00::/7"),)

# An IPv4 address inside: NAT64 (RFC 6052, section 2.1) and 6to4 (RFC 3056).
NAT64 = IPv6Network("64:ff9b::/96")
SIX_TO_FOUR = IPv6Network("2002::/16")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""The prefix behind which each network chooses where the IPv4 address lies (RFC 8215): no set of prefixes can tell."""
