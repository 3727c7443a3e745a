"""The backend "kernel": the kernel's own WireGuard, led by plans, with wg(8) and ip(8) as the other opinion."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from tests.netns.deadline import until
from tests.netns.engine import Engine
from tests.netns.host import Host, address
from tests.netns.interface import Interface as FarInterface
from tests.netns.kernel import interface
from tests.netns.pair import FAR_INNER, INNER, OUTER, prefixes, single
from tests.netns.traffic import reach
from warren._core import Netlink, PresharedKey, PrivateKey, PublicKey
from warren.agent.io.interface import Interface
from warren.errors import HostError, InterfaceError
from warren.tunnel.backend_rule import ON_HOST, BackendRule
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.io.backend import BackendChooser, LiveEngine
from warren.tunnel.io.kernel import KernelEngine
from warren.tunnel.io.link_owner import own_alias, started_at
from warren.tunnel.network import ConcreteBackend
from warren.tunnel.plan import InterfaceChange, PeerChange, plan

PORT = 51820
BEYOND = ("198.51.100.9", "fd99::9")


@pytest.fixture
def near(hosts: tuple[Host, Host]) -> Host:
    """The end under test. Its cable has its link-local address, which the kernel first asks others for (RFC 4862)."""
    near = hosts[0]
    until(lambda: "local fe80:" in near.ip("-6", "route", "show", "table", "local"), "eth0 has its link-local address")
    return near


@pytest.fixture
def netlink(near: Host) -> Netlink:
    return near.inside(Netlink.open)


@pytest.fixture
def config() -> InterfaceConfig:
    """Near's interface, without peers."""
    addresses = tuple(map(ip_interface, prefixes(INNER["near"])))
    return InterfaceConfig("wg0", PrivateKey.generate(), listen_port=PORT, addresses=addresses)


@pytest.fixture
def far(hosts: tuple[Host, Host], peer: Engine, config: InterfaceConfig) -> FarInterface:
    """The far end, up, which knows near, with addresses behind the tunnel."""
    far = interface(hosts[1], peer)
    far.up(*prefixes(INNER["far"]))
    address(hosts[1], "lo", *BEYOND)
    key = config.private_key.public_key()
    far.configure(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {', '.join(single(INNER['near']))}\n")
    return far


def far_peer(far: FarInterface, *allowed_ips: str) -> PeerConfig:
    """The far end as near's peer."""
    return PeerConfig(
        PublicKey.from_base64(far.keys.text),
        endpoint=Endpoint(OUTER["far"][0], far.listen_port),
        allowed_ips=tuple(map(ip_network, allowed_ips or single(INNER["far"]))),
    )


def somebody(*allowed_ips: str, keepalive: int = 0, psk: PresharedKey | None = None) -> PeerConfig:
    """A peer that nobody is, at an address of each version in turn."""
    key = PrivateKey.generate().public_key()
    return PeerConfig(
        key,
        preshared_key=psk,
        endpoint=Endpoint("2001:db8::77" if keepalive else "192.0.2.77", 4711),
        allowed_ips=tuple(map(ip_network, allowed_ips)),
        persistent_keepalive_seconds=keepalive,
    )


def rules(host: Host) -> list[str]:
    """Those of IPv4, and those of IPv6."""
    return [host.ip(version, "rule", "show") for version in ("-4", "-6")]


def state(host: Host) -> list[str]:
    """All that an interface could leave on a host; the rules first."""
    asked = ("-4 route show table all", "-6 route show table all", "link show")
    return [*rules(host), *(host.ip(*words.split()) for words in asked)]


def create_engine(candidates: tuple[ConcreteBackend, ...], netlink: Netlink) -> LiveEngine:
    """The engine of wg0, by the first of `candidates` that can be had."""
    return BackendChooser("wg0", BackendRule(candidates), netlink).create({})


def made(config: InterfaceConfig, netlink: Netlink) -> Interface:
    """The agent's interface, by the backend "auto"."""
    made = Interface(config.name, BackendRule(ON_HOST), netlink)
    made.create(config)
    assert made.backend == "kernel"
    return made


def test_what_was_set_is_what_wg_shows(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    """Rows H-44 and H-45."""
    before, psk = state(near), PresharedKey.generate()
    first, second = somebody("10.1.0.0/16", "fd01::/64", psk=psk), somebody("10.2.0.0/16", keepalive=25)
    wanted = replace(config, fwmark=0x51, mtu=1380, peers=(first, second))
    running = made(wanted, netlink)

    private, key = wanted.private_key.to_base64(), wanted.private_key.public_key()
    shown = [line.split("\t") for line in near.run("wg", "show", "wg0", "dump").splitlines()]
    assert shown[0] == [private, str(key), str(PORT), "0x51"]
    # Between the two: the latest handshake, and octets received and sent.
    assert [(*fields[:4], fields[7]) for fields in shown[1:]] == [
        (str(first.public_key), psk.to_base64(), "192.0.2.77:4711", "10.1.0.0/16,fd01::/64", "off"),
        (str(second.public_key), "(none)", "[2001:db8::77]:4711", "10.2.0.0/16", "25"),
    ]
    assert "mtu 1380" in near.ip("link", "show", "wg0")
    assert "10.1.0.0/16 dev wg0" in near.ip("route", "show")
    assert "fd01::/64 dev wg0" in near.ip("-6", "route", "show")
    assert plan(wanted, running.observe()) == ()
    assert [peer.public_key for peer in running.observe().peers] == [first.public_key, second.public_key]

    running.remove()
    assert state(near) == before


def test_a_status_by_the_command(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    made(config, netlink)
    shown = near.run(sys.executable, "-m", "warren.cli.main", "status", "wg0")
    assert shown.startswith(f"wg0  up  port {PORT}  mtu 1420  10.9.0.1/24, fd09::1/64  no peers\n")


def test_peers_come_change_and_go_and_the_others_keep_their_session(
    near: Host, netlink: Netlink, config: InterfaceConfig, far: FarInterface
) -> None:
    home = far_peer(far)
    running = made(replace(config, peers=(home,)), netlink)
    reach(near, FAR_INNER[0])
    session = running.observe().peers[0]
    assert session.latest_handshake is not None

    other = somebody("10.1.0.0/16")
    changed = replace(other, allowed_ips=(ip_network("10.3.0.0/16"),), persistent_keepalive_seconds=7)
    for peers in ((home,), (home, other), (home, changed), (changed, home), (home,)):
        wanted = replace(config, peers=peers)
        running.update(wanted)
        found = {peer.public_key: peer for peer in running.observe().peers}
        assert set(found) == {peer.public_key for peer in peers}
        assert plan(wanted, running.observe()) == ()
        reach(near, FAR_INNER[0])
        assert found[home.public_key].latest_handshake == session.latest_handshake
        assert found[home.public_key].rx_bytes >= session.rx_bytes


def test_a_prefix_moves_to_another_peer(netlink: Netlink, config: InterfaceConfig) -> None:
    first, second = somebody("10.1.0.0/16"), somebody("10.2.0.0/16")
    running = made(replace(config, peers=(first, second)), netlink)
    swapped = (replace(first, allowed_ips=second.allowed_ips), replace(second, allowed_ips=first.allowed_ips))
    running.update(replace(config, peers=swapped))
    found = {peer.public_key: peer.allowed_ips for peer in running.observe().peers}
    assert found == {peer.public_key: peer.allowed_ips for peer in swapped}


def test_more_than_one_message_holds(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    """Peers, and the allowed IPs of one, in both directions."""
    crowd = somebody(*(f"10.{number >> 8}.{number & 255}.0/24" for number in range(3000)))
    peers = (*(somebody(f"fd00:{number:x}::/32") for number in range(300)), crowd, somebody("192.168.0.0/16"))
    wanted = replace(config, table="off", peers=peers)
    running = made(wanted, netlink)
    found = running.observe()
    assert plan(wanted, found) == ()
    assert [peer.public_key for peer in found.peers] == [peer.public_key for peer in peers]
    shown = near.run("wg", "show", "wg0", "allowed-ips").splitlines()
    assert [len(line.split()) - 1 for line in shown] == [len(peer.allowed_ips) for peer in peers]
    running.update(replace(wanted, peers=peers[-1:]))
    assert [peer.public_key for peer in running.observe().peers] == [peers[-1].public_key]


def test_a_default_route_and_back(near: Host, netlink: Netlink, config: InterfaceConfig, far: FarInterface) -> None:
    """Row H-14: the tunnel's own datagrams carry the mark, or they would loop."""
    near.ip("route", "add", "default", "via", OUTER["far"][0])
    before = state(near)
    everything = replace(config, peers=(far_peer(far, "0.0.0.0/0", "::/0"),))
    running = made(everything, netlink)
    for beyond in (*BEYOND, *FAR_INNER):
        reach(near, beyond)
    assert near.run("wg", "show", "wg0", "fwmark").strip() == hex(51820)
    assert " dev wg0 " in near.ip("route", "get", BEYOND[0])
    assert " dev eth0 " in near.ip("route", "get", OUTER["far"][0])
    assert " dev eth0 " in near.ip("route", "get", BEYOND[0], "mark", "51820")
    assert [text.count("proto 119") for text in rules(near)] == [2, 2]
    found = running.observe()
    assert plan(replace(everything, fwmark=51820), found) == ()

    session = found.peers[0].latest_handshake
    running.update(replace(config, peers=(far_peer(far),)))
    assert rules(near) == before[:2]
    reach(near, FAR_INNER[0])
    assert running.observe().peers[0].latest_handshake == session
    running.update(everything)
    reach(near, BEYOND[0])

    running.remove()
    assert state(near) == before


def test_endpoint_inside_allowed_ips_stays_outside(
    near: Host, netlink: Netlink, config: InterfaceConfig, far: FarInterface
) -> None:
    """As for a default route; the kernel's WireGuard drops what would loop, so nothing would get through."""
    before = state(near)
    outer = OUTER["far"][0]
    inside = replace(config, peers=(far_peer(far, f"{FAR_INNER[0]}/32", f"{outer}/32"),))
    running = made(inside, netlink)
    for inner in (FAR_INNER[0], outer):
        reach(near, inner)
    assert " dev wg0 " in near.ip("route", "get", outer)
    assert " dev eth0 " in near.ip("route", "get", outer, "mark", "51820")
    running.update(replace(config, peers=(far_peer(far),)))
    reach(near, FAR_INNER[0])
    assert rules(near) == before[:2]


def test_what_a_killed_agent_left_is_taken_over(
    near: Host, netlink: Netlink, config: InterfaceConfig, far: FarInterface
) -> None:
    """Row H-55: the link outlives its maker, and its sessions with it."""
    before = state(near)
    wanted = replace(config, peers=(far_peer(far, "0.0.0.0/0"),))
    session = made(wanted, netlink)
    reach(near, FAR_INNER[0])
    handshake, as_up = session.observe().peers[0].latest_handshake, state(near)

    following = Interface(wanted.name, BackendRule(("kernel",)), netlink)
    following.create(wanted)
    assert following.observe().peers[0].latest_handshake == handshake
    assert state(near) == as_up
    following.create(replace(wanted, peers=()))
    assert following.observe().peers == ()
    following.remove()
    assert state(near) == before


def test_what_was_left_in_the_kernel_makes_room_for_the_engine(near: Host, netlink: Netlink) -> None:
    KernelEngine("wg0", netlink).create()
    assert KernelEngine("wg0", netlink).take_over()
    link = near.inside(lambda: create_engine(("userspace",), netlink))
    assert netlink.link("wg0").kind == "tun"
    link.remove()


def test_what_another_warren_uses_is_not_taken_over(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    running = made(config, netlink)
    with subprocess.Popen(["sleep", "3600"]) as other:
        netlink.set_alias(netlink.link("wg0").index, f"warren {other.pid} {started_at(other.pid)}")
        before = state(near)
        for candidates in (ON_HOST, *((backend,) for backend in ON_HOST)):
            with pytest.raises(InterfaceError, match=f"wg0 belongs to another Warren process, {other.pid}"):
                create_engine(candidates, netlink)
        assert state(near) == before
        other.kill()
    create_engine(ON_HOST, netlink)
    assert netlink.link("wg0").alias == own_alias()
    running.remove()


@pytest.mark.security
def test_a_link_that_another_made_is_left_alone(near: Host, netlink: Netlink) -> None:
    near.ip("link", "add", "wg0", "type", "wireguard")
    before = state(near)
    assert not KernelEngine("wg0", netlink).take_over()
    for candidates in (ON_HOST, *((backend,) for backend in ON_HOST)):
        with pytest.raises(InterfaceError) as error:
            create_engine(candidates, netlink)
        assert error.value.code == "interface.exists"
    with pytest.raises(InterfaceError, match="was not created by Warren and was left alone"):
        KernelEngine("wg0", netlink).remove()
    assert state(near) == before


def test_a_port_in_use_changes_nothing(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    """Row H-52: the kernel carries a change out in parts, and the port comes first."""
    running = made(replace(config, peers=(somebody("10.1.0.0/16"),)), netlink)
    before = near.run("wg", "showconf", "wg0")
    with near.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 4711))
        change = InterfaceChange(
            private_key=PrivateKey.generate(),
            listen_port=4711,
            fwmark=7,
            peers=(PeerChange(PrivateKey.generate().public_key()),),
        )
        with pytest.raises(HostError, match='setting the port 4711 of link "wg0"') as error:
            netlink.wireguard_set("wg0", change)
    assert error.value.code == "host.port_in_use"
    assert near.run("wg", "showconf", "wg0") == before
    running.remove()


def test_a_port_in_use_from_the_start_leaves_nothing(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    before = state(near)
    with near.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", PORT))
        with pytest.raises(HostError) as error:
            made(config, netlink)
    assert (error.value.code, str(error.value)) == ("host.port_in_use", f"UDP port {PORT} is in use by another program")
    assert state(near) == before


def test_a_link_that_is_gone_or_none_of_the_kernels(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    running = made(config, netlink)
    near.ip("link", "delete", "wg0")
    with pytest.raises(InterfaceError) as error:
        running.observe()
    assert error.value.code == "interface.ended"
    with pytest.raises(InterfaceError, match="is not a kernel WireGuard interface"):
        netlink.wireguard_get("eth0")
    running.remove()


SWAPS = 200


def test_a_listing_that_changes_while_it_is_read(near: Host, netlink: Netlink, config: InterfaceConfig) -> None:
    """It is read anew (NLM_F_DUMP_INTR): of two peers that change places at once, there is always one."""
    peers = tuple(somebody(f"fd00:{number:x}::/32") for number in range(300))
    running = made(replace(config, peers=peers), netlink)
    pair = [PrivateKey.generate().public_key() for _ in range(2)]
    netlink.wireguard_set("wg0", InterfaceChange(peers=(PeerChange(pair[0]),)))

    writer = near.inside(Netlink.open)

    def swap(number: int) -> None:
        goes, comes = PeerChange(pair[number % 2], remove=True), PeerChange(pair[1 - number % 2])
        writer.wireguard_set("wg0", InterfaceChange(peers=(goes, comes)))

    with ThreadPoolExecutor(1) as pool:
        for number in range(SWAPS):
            swapping = pool.submit(swap, number)
            found = {peer.public_key for peer in netlink.wireguard_get("wg0").peers}
            assert (len(found), len(found.intersection(pair))) == (301, 1)
            swapping.result()
    running.remove()
