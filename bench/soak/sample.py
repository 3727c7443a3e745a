"""What Linux says of an engine's process and of a host's UDP at one moment (proc(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host import Host

# Datagrams that came to a host and reached no socket, by the names of /proc/net/snmp and, with a 6, snmp6. The sums of
# errors there (InErrors) hold these again.
UNDELIVERED = ("NoPorts", "RcvbufErrors", "InCsumErrors")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process."""

    at: float
    """Seconds since the start of the soak."""
    octets: int
    """Its own memory, in RAM or swapped out: what is not backed by a file."""
    descriptors: int
    threads: int


def of_process(pid: int, at: float) -> Sample:
    """Raises OSError if it has ended."""
    rollup = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    return Sample(
        at=at,
        octets=1024 * (rollup["Anonymous:"] + rollup["Swap:"]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
    )


def undelivered(host: Host) -> int:
    """Datagrams over IPv4 and IPv6 since the host was made."""
    head, counts = (
        line.split() for line in Path(f"/proc/{host.pid}/net/snmp").read_text().splitlines() if line.startswith("Udp:")
    )
    of_v4 = dict(zip(head[1:], map(int, counts[1:]), strict=True))
    of_v6 = _fields(Path(f"/proc/{host.pid}/net/snmp6"))
    return sum(of_v4[name] + of_v6[f"Udp6{name}"] for name in UNDELIVERED)


def unread(host: Host) -> int:
    """Octets that wait in UDP sockets of a host (proc(5), /proc/net/udp)."""
    tables = (Path(f"/proc/{host.pid}/net/{name}").read_text().splitlines()[1:] for name in ("udp", "udp6"))
    return sum(int(line.split()[4].partition(":")[2], 16) for lines in tables for line in lines)


def _fields(path: Path) -> dict[str, int]:
    words = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdecimal()}
