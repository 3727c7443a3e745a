"""The kernel's messages about settings of forwarding (rtnetlink, RTM_NEWNETCONF). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_NEWNETCONF = 80
GROUPS = 1 << 23 | 1 << 24  # RTNLGRP_IPV4_NETCONF and RTNLGRP_IPV6_NETCONF
HEADER = struct.Struct("=IHHII")  # nlmsghdr
ATTRIBUTE = struct.Struct("=HH")
NUMBER = struct.Struct("=i")
FAMILY_BYTES = 4  # netconfmsg, padded
VERSIONS = {2: 4, 10: 6}  # AF_INET and AF_INET6 of Linux
IFINDEX, FORWARDING, FORCE_FORWARDING = 1, 2, 9  # linux/netconf.h
FIELDS = {FORWARDING: "forwarding", FORCE_FORWARDING: "force_forwarding"}
EVERY_LINK = -1  # NETCONFA_IFINDEX_ALL
NEW_LINKS = -2  # NETCONFA_IFINDEX_DEFAULT


@dataclass(frozen=True, slots=True)
class ForwardingChange:
    """A setting of forwarding that somebody wrote."""

    version: int
    index: int
    """The link; or EVERY_LINK, or NEW_LINKS."""
    field: str


def parse_changes(octets: bytes) -> Iterator[ForwardingChange]:
    """Yield the changes in one datagram of the kernel; what is cut off is left out."""
    while len(octets) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(octets)
        if not HEADER.size <= length <= len(octets):
            return
        if kind == RTM_NEWNETCONF and length >= HEADER.size + FAMILY_BYTES:
            yield from _changes(octets[HEADER.size], octets[HEADER.size + FAMILY_BYTES : length])
        octets = octets[length + -length % 4 :]


def _changes(family: int, attributes: bytes) -> Iterator[ForwardingChange]:
    values = dict(_numbers(attributes))
    version, index = VERSIONS.get(family), values.get(IFINDEX)
    if version is not None and index is not None:
        for kind, name in FIELDS.items():
            if kind in values:
                yield ForwardingChange(version, index, name)


def _numbers(octets: bytes) -> Iterator[tuple[int, int]]:
    while len(octets) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(octets)
        if not ATTRIBUTE.size <= length <= len(octets):
            return
        if length >= ATTRIBUTE.size + NUMBER.size:
            yield kind, NUMBER.unpack_from(octets, ATTRIBUTE.size)[0]
        octets = octets[length + -length % 4 :]
