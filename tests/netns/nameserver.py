"""A name server of its own writing: `nameserver.py ADDRESS NAME=ADDRESS...` answers those names and no other.

Says `ready`, then every name that it is asked for.
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address

KINDS = {1: IPv4Address, 28: IPv6Address}


def main() -> None:
    """Serves until it is killed."""
    where, *names = sys.argv[1:]
    zone = [(name.split("=")[0], ip_address(name.split("=")[1])) for name in names]
    sock = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((where, 53))
    print("ready", flush=True)
    while True:
        question, asker = sock.recvfrom(512)
        name, kind, end = asked(question)
        print(name, flush=True)
        found = [address for owner, address in zone if owner == name and isinstance(address, KINDS[kind])]
        code = 0 if any(owner == name for owner, _ in zone) else 3
        records = [struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(each.packed)) + each.packed for each in found]
        header = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        sock.sendto(header + question[12:end] + b"".join(records), asker)


def asked(question: bytes) -> tuple[str, int, int]:
    """The name, the kind of record, and the end of both, behind which there may be an OPT record."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    return ".".join(labels), struct.unpack_from("!H", question, at + 1)[0], at + 5


if __name__ == "__main__":
    main()
