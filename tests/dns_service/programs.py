"""The program `dns_service` of the crate `dns`, the servers behind it, and what was asked of them."""

from __future__ import annotations

import functools
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype

ROOT = Path(__file__).resolve().parents[2]
# For a machine that is busy with other tests; nothing waits so long otherwise.
TIMEOUT_SECONDS = 60.0

Address = tuple[str, int]


@functools.cache
def program() -> Path:
    """Return the program, built unless it is there."""
    manifest = ROOT / "rust" / "Cargo.toml"
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", str(manifest)]
    subprocess.run([*command, "--package", "warren-dns", "--example", "dns_service"], check=True)
    return manifest.parent / "target" / "debug" / "examples" / "dns_service"


class DnsService:
    """A running service, at `address`."""

    def __init__(self, process: subprocess.Popen[str], table: str) -> None:
        self._process = process
        words = self._request(table + "\n").split()
        assert words[:1] == ["ready"], words
        host, port = words[1].rsplit(":", 1)
        self.address: Address = (host, int(port))

    def _request(self, text: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def set_table(self, table: str) -> None:
        """Put another table in place of the present one."""
        assert self._request(table + "\n").strip() == "table"

    def counters(self) -> str:
        """Return the counters as the program prints them."""
        return self._request("counters\n").strip()

    def ask(self, name: str, kind: str = "A", *, tcp: bool = False, edns: bool = True) -> dns.message.Message:
        """Return the answer to a query; dnspython checks that it is one."""
        query = dns.message.make_query(name, kind, use_edns=0 if edns else False)
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(query, self.address[0], timeout=TIMEOUT_SECONDS, port=self.address[1])


@contextmanager
def serving(table: str) -> Iterator[DnsService]:
    """Run the service with a table."""
    pipe = subprocess.PIPE
    with subprocess.Popen([program(), "127.0.0.1:0"], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield DnsService(process, table)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(TIMEOUT_SECONDS)


def addresses(answer: dns.message.Message) -> list[str]:
    """Return the addresses of an answer, sorted."""
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return sorted(data.to_text() for rrset in answer.answer if rrset.rdtype in kinds for data in rrset)


class Unbound:
    """An unbound(8) that knows a few records and no other name, and writes down what it is asked."""

    def __init__(self, directory: Path, records: list[str]) -> None:
        directory.mkdir()
        self._log = directory / "log"
        self.address: Address = ("127.0.0.1", free_port())
        lines = ["server:", "username: ''", "chroot: ''", "pidfile: ''", "do-daemonize: no", "use-syslog: no"]
        lines += [f"interface: 127.0.0.1@{self.address[1]}", "log-queries: yes", "module-config: iterator"]
        lines += ["num-threads: 1", "outgoing-range: 16", "num-queries-per-thread: 16", "minimal-responses: yes"]
        lines += ["local-zone: '.' static", 'local-data: ". 60 SOA ns.invalid. nobody.invalid. 1 2 3 4 30"']
        lines += [f"local-data: '{record}'" for record in records]
        configuration = directory / "unbound.conf"
        configuration.write_text("\n".join([*lines, "remote-control:", "control-enable: no"]) + "\n")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(["unbound", "-d", "-c", configuration], stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        query = dns.message.make_query("ready.invalid", "A")
        end = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, self._log.read_text()
            try:
                dns.query.tcp(query, self.address[0], timeout=TIMEOUT_SECONDS, port=self.address[1])
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError(self._log.read_text())

    @property
    def at(self) -> str:
        """Return its address as a table has it."""
        return f"{self.address[0]}:{self.address[1]}"

    def was_asked(self, name: str) -> bool:
        """Return whether a query for a name came, in any case of letters."""
        return f" {name.lower()}. " in self._log.read_text().lower()

    def stop(self) -> None:
        """End it; its port is closed then."""
        self._process.terminate()
        self._process.wait(TIMEOUT_SECONDS)


def free_port() -> int:
    """Return a port that nothing uses over UDP or TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
