"""wg-quick(8) unchanged, with `WG_QUICK_USERSPACE_IMPLEMENTATION` naming the engine under test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .deadline import until
from .engine import Engine
from .host import IN_NAMESPACES, Host, address
from .interface import Interface, KeyPair
from .pair import FAR_INNER, INNER, NEAR_INNER, OUTER, prefixes, single
from .traffic import ping, reach, tcp_copy

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("wg-quick")]

FILE = "/run/quick/wg0.conf"
BEYOND = "198.51.100.9"  # an address behind the far end, reached by a default route alone


@pytest.fixture
def far(hosts: tuple[Host, Host], peer: Engine) -> Interface:
    """The far end, up; the near host has a cable to it and nothing more."""
    interface = Interface(hosts[1], peer)
    interface.up(*prefixes(INNER["far"]))
    address(hosts[1], "lo", f"{BEYOND}/32")
    return interface


class Quick:
    """wg-quick on the near host."""

    def __init__(self, host: Host, engine: Engine) -> None:
        if Path("/sys/module/wireguard").exists():
            pytest.skip("a kernel without WireGuard: wg-quick would take that instead of the engine")
        self.host, self.engine, self.keys = host, engine, KeyPair()

    def write(self, far: Interface, allowed_ips: str, *more: str) -> None:
        """The file: addresses, MTU, and the far end as the only peer."""
        port = far.listen_port
        lines = [
            "[Interface]",
            f"Address = {', '.join(prefixes(INNER['near']))}",
            f"PrivateKey = {self.keys.private_text}",
            "MTU = 1380",
            *more,
            "[Peer]",
            f"PublicKey = {far.keys.text}",
            f"Endpoint = {OUTER['far'][0]}:{port}",
            f"AllowedIPs = {allowed_ips}",
        ]
        path = self.host.path(FILE)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        far.peer(self.keys, *single(INNER["near"]))

    def __call__(self, verb: str) -> None:
        """`wg-quick VERB FILE`."""
        self.host.run("wg-quick", verb, FILE, env={"WG_QUICK_USERSPACE_IMPLEMENTATION": str(self.engine.program)})

    def assert_gone(self, before: dict[str, str]) -> None:
        """No process, link or socket, and routes and rules as they were."""
        until(lambda: not self.host.processes(self.engine.program), "the engine has ended")
        assert "wg0" not in self.host.links()
        assert not self.host.path("/run/wireguard/wg0.sock").exists()
        assert self.state() == before

    def state(self) -> dict[str, str]:
        """What wg-quick changes beside the link, whose IPv6 routes go with it."""
        asked = ("-4 route show table all", "-4 rule show", "-6 rule show")
        return {words: self.host.ip(*words.split()) for words in asked}


@pytest.fixture
def quick(hosts: tuple[Host, Host], warren: Engine) -> Quick:
    return Quick(hosts[0], warren)


def test_up_and_down(quick: Quick, far: Interface) -> None:
    quick.write(far, ", ".join(prefixes(INNER["far"])))
    before = quick.state()
    for _ in range(2):
        quick("up")
        assert "mtu 1380" in quick.host.ip("link", "show", "wg0")
        for inner in FAR_INNER:
            reach(quick.host, inner)
        tcp_copy(quick.host, far.host, FAR_INNER[0], 1_000_000)
        tcp_copy(far.host, quick.host, NEAR_INNER[1], 1_000_000)
        quick("down")
        quick.assert_gone(before)


@pytest.mark.needs("nft")
def test_a_default_route_through_the_tunnel(quick: Quick, far: Interface) -> None:
    """wg-quick sets a fwmark and rules; the tunnel's own datagrams must carry the mark, or they would loop."""
    quick.write(far, "0.0.0.0/0, ::/0")
    before = quick.state()
    assert ping(quick.host, BEYOND).returncode != 0
    quick("up")
    reach(quick.host, BEYOND)
    reach(quick.host, FAR_INNER[1])
    assert quick.host.run("wg", "show", "wg0", "fwmark").strip() == hex(51820)
    assert quick.host.run("nft", "list", "tables")
    quick("down")
    quick.assert_gone(before)
    assert quick.host.run("nft", "list", "tables") == ""


def test_save_keeps_what_was_set_at_run_time(quick: Quick, far: Interface) -> None:
    quick.write(far, ", ".join(prefixes(INNER["far"])))
    quick("up")
    late = KeyPair()
    quick.host.run("wg", "set", "wg0", "peer", late.text, "allowed-ips", "10.70.0.0/16")
    quick.host.run("wg", "set", "wg0", "listen-port", "4711")
    quick("save")
    quick("down")
    quick("up")
    assert f"{late.text}\t10.70.0.0/16" in quick.host.run("wg", "show", "wg0", "allowed-ips")
    assert quick.host.run("wg", "show", "wg0", "listen-port") == "4711\n"
    reach(quick.host, FAR_INNER[0])


def test_hooks_see_an_interface_that_answers(quick: Quick, far: Interface) -> None:
    """The engine must not return before its socket does."""
    quick.write(far, ", ".join(prefixes(INNER["far"])), "PostUp = wg show %i public-key > /run/quick/seen")
    quick("up")
    assert quick.host.path("/run/quick/seen").read_text() == f"{quick.keys.text}\n"
