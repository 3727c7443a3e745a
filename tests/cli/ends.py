"""Two hosts with a wg-quick file each."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.netns.deadline import until
from tests.netns.host import Host
from tests.netns.pair import FAR_INNER, INNER, OUTER
from warren._core import PresharedKey, PrivateKey

from .program import WARREN

PORT = 51820
Traces = tuple[list[str], list[str], int]


class Ends:
    """The hosts `near` and `far`, with a private key each and one preshared key."""

    def __init__(self, near: Host, far: Host, directory: Path) -> None:
        self.near, self.far = near, far
        self._directory = directory
        self._keys = {host.name: PrivateKey.generate() for host in (near, far)}
        self._preshared_key = PresharedKey.generate()

    @property
    def secrets(self) -> list[str]:
        """Return the secrets that no output may contain."""
        return [self._preshared_key.to_base64(), *(key.to_base64() for key in self._keys.values())]

    def public_key(self, host: Host) -> str:
        """Return the public key of a host."""
        return str(self._keys[host.name].public_key())

    def conf(
        self, host: Host, *, interface: str = "", peer: str = "", name: str = "wg0", mode: int = 0o600, **values: str
    ) -> Path:
        """Write a file for `host`; `interface` and `peer` are additional lines, `values` replaces some."""
        other = self.far if host is self.near else self.near
        default = {
            "address": f"{INNER[host.name][0]}/24, {INNER[host.name][1]}/64",
            "endpoint": f"{OUTER[other.name][0]}:{PORT}",
            "allowed_ips": f"{INNER[other.name][0]}/32, {INNER[other.name][1]}/128",
        }
        chosen = default | values
        path = self._directory / host.name / f"{name}.conf"
        path.parent.mkdir(exist_ok=True)
        path.touch(0o600)
        path.write_text(
            f"[Interface]\nPrivateKey = {self._keys[host.name].to_base64()}\nListenPort = {PORT}\n"
            f"Address = {chosen['address']}\n{interface}\n"
            f"[Peer]\nPublicKey = {self.public_key(other)}\nPresharedKey = {self._preshared_key.to_base64()}\n"
            f"AllowedIPs = {chosen['allowed_ips']}\nEndpoint = {chosen['endpoint']}\n{peer}\n"
        )
        path.chmod(mode)
        return path

    def warren(self, host: Host, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command in a host, and check that it prints no secret."""
        done = host.attempt(*WARREN, *arguments)
        assert not any(secret in done.stdout + done.stderr for secret in self.secrets)
        return done

    def done(self, host: Host, *arguments: str | Path) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.warren(host, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, host: Host, *arguments: str | Path) -> str:
        """Run a command that must fail with 1 and change nothing, and return its error."""
        before = self.traces(host)
        done = self.warren(host, *arguments)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        assert "Traceback" not in done.stderr
        self.expect_traces(host, before)
        return done.stderr

    def up(self) -> None:
        """Bring both ends up."""
        for host in (self.near, self.far):
            self.done(host, "up", self.conf(host))

    def expect_traces(self, host: Host, wanted: Traces) -> None:
        """Wait for the engine: it releases link and socket at once and exits a moment later."""
        links, sockets, _ = self.traces(host)
        assert (links, sockets) == wanted[:2]
        # Fewer, if one was still exiting when `wanted` was counted.
        until(lambda: self.traces(host)[2] <= wanted[2], "no more engines run than before")

    def traces(self, host: Host) -> Traces:
        """Return the links, sockets and engines on a host."""
        directory = host.path("/run/wireguard")
        sockets = sorted(path.name for path in directory.iterdir()) if directory.exists() else []
        states = [stat.read_bytes() for stat in host.path("/proc").glob("[0-9]*/stat")]
        engines = sum(b"(warren-wg) " in state and b"(warren-wg) Z" not in state for state in states)  # Z: a zombie
        return host.links(), sockets, engines


def reachable(ends: Ends) -> bool:
    """Return whether far answers a ping of each IP version."""
    return all(ends.near.attempt("ping", "-c1", "-W5", address).returncode == 0 for address in FAR_INNER)
