"""The work between the file and the plan grows with the size of a list, and not with its square.

Calls are counted and no time is measured: twice the size may take little more than twice the calls. Comparisons of
addresses, keys and peers are calls, too.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Sequence
from ipaddress import ip_interface
from types import FrameType

import pytest

from tests.tunnel.strategies import PRIVATE_KEYS
from warren.agent.config import load_config
from warren.config.defaults import WARREN
from warren.shapes import array, text
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.desired import NetworkKeys, desired_interface
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.overlap import clash_findings, lan_warnings, network_warnings, overlap_warnings
from warren.tunnel.plan import plan
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.removal import removal_findings
from warren.tunnel.routes import routes_for
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus
from warren.tunnel.wgquick import encode_wgquick, parse_wgquick
from warren.tunnel.wgquick_import import network_to_wgquick

pytestmark = pytest.mark.unit

SIZE, FACTOR, SLACK = 150, 4, 1.25
KEYS = NetworkKeys(PRIVATE_KEYS[0])
Work = Callable[[], object]


def calls(work: Work) -> int:
    """Return how many functions are called, those of C too."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def prefix(number: int) -> str:
    return f"10.{number >> 8}.{number & 255}.0/30"


def peer(number: int, *prefixes: str) -> str:
    key = base64.b64encode((number + 1).to_bytes(32, "big")).decode()
    listed = ", ".join(f'"{each}"' for each in prefixes)
    lines = (f'name = "p{number}"', f'public_key = "{key}"', f'endpoint = "192.0.2.1:{number + 1}"')
    return "\n".join((*lines, f"allowed_ips = [{listed}]", ""))


def network(name: str, peers: Sequence[str], number: int = 0, header: str = "") -> str:
    head = f'[network.{name}]\nenable_wireguard = true\nprivate_key_path = "/k"\ninterface = "wg{number}"\n'
    header = header or f"[[network.{name}.peers]]"
    return head + "".join(f"{header}\n{each}" for each in peers)


FILES: dict[str, Callable[[int], str]] = {
    "prefixes of one peer": lambda n: network("a", [peer(0, *map(prefix, range(n)))]),
    "peers": lambda n: network("a", [peer(number, prefix(number)) for number in range(n)]),
    "peers with the short header": lambda n: network(
        "a", [peer(number, prefix(number)) for number in range(n)], header="[[network.peers]]"
    ),
    "redundant peers": lambda n: network("a", [peer(number, "0.0.0.0/0") for number in range(n)]),
    "two redundant peers with many prefixes": lambda n: network(
        "a", [peer(number, *map(prefix, range(n))) for number in range(2)]
    ),
    "networks": lambda n: "".join(network(f"n{number}", [peer(number, prefix(number))], number) for number in range(n)),
    "addresses": lambda n: (
        network("a", []) + f"address = {[f'10.0.{each >> 8}.{each & 255}/32' for each in range(n)]}\n"
    ),
}


def networks_of(name: str, size: int) -> tuple[NetworkConfig, ...]:
    return load_config(FILES[name](size), "agent.toml", WARREN).networks


def config_of(name: str, size: int) -> InterfaceConfig:
    (config,) = networks_of(name, size)
    return desired_interface(config, KEYS, {each.public_key: each.endpoint for each in config.peers if each.endpoint})


def observed(desired: InterfaceConfig) -> InterfaceStatus:
    """Return the state of an interface that is as desired."""
    peers = tuple(
        PeerStatus(each.public_key, None, each.endpoint, each.allowed_ips, each.persistent_keepalive_seconds)
        for each in desired.peers
    )
    link = LinkStatus(up=True, mtu=desired.mtu, addresses=desired.addresses, routes=routes_for(desired))
    key, sources = desired.private_key.public_key(), desired.probe_sources()
    return InterfaceStatus(desired.name, key, 51820, 0, peers, link, probe_sources=sources)


def expect_near_linear(prepare: Callable[[int], Work]) -> None:
    """Compare the calls for two sizes."""
    small, large = (calls(prepare(size)) for size in (SIZE, FACTOR * SIZE))
    assert large <= SLACK * FACTOR * small, f"{small} calls for {SIZE}, {large} for {FACTOR * SIZE}"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_in_near_linear_time(name: str) -> None:
    def prepare(size: int) -> Work:
        content = FILES[name](size)
        return lambda: load_config(content, "agent.toml", WARREN)

    expect_near_linear(prepare)


ONE_NETWORK = [name for name in FILES if name not in {"networks", "peers with the short header"}]


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_a_plan_takes_near_linear_time(name: str) -> None:
    def prepare(size: int) -> Work:
        (config,) = networks_of(name, size)

        def decide() -> None:
            state = ReconcileState(config, 0.0)
            state.take_questions(0.0, 0.0)
            plan(state.desired(KEYS), None)

        return decide

    expect_near_linear(prepare)


@pytest.mark.parametrize("name", [name for name in ONE_NETWORK if "redundant" not in name])
def test_a_plan_without_a_difference_takes_near_linear_time(name: str) -> None:
    def prepare(size: int) -> Work:
        desired = config_of(name, size)
        status = observed(desired)

        def compare() -> None:
            steps = plan(desired, status)
            assert len(steps) < 2, "at most the mark"

        return compare

    expect_near_linear(prepare)


def test_prefixes_and_lans_are_compared_in_near_linear_time() -> None:
    def prepare(size: int) -> Work:
        (config,) = networks_of("peers", size)
        links = {f"eth{number}": (ip_interface(((0xAC10 << 16) + (number << 4), 28)),) for number in range(size)}
        return lambda: [*lan_warnings(config, links)]

    expect_near_linear(prepare)


def test_networks_that_claim_the_same_prefix_are_compared_with_the_first() -> None:
    def prepare(size: int) -> Work:
        key = PRIVATE_KEYS[0].public_key()
        peers = (NetworkPeer("p", key, allowed_ips=networks_of("redundant peers", 1)[0].peers[0].allowed_ips),)
        networks = [NetworkConfig(f"n{number}", "/k", interface=f"i{number}", peers=peers) for number in range(size)]
        return lambda: [*clash_findings(networks), *overlap_warnings(networks), *map(network_warnings, networks)]

    expect_near_linear(prepare)


def test_a_wg_quick_file_is_written_and_read_in_near_linear_time() -> None:
    def prepare(size: int) -> Work:
        file = network_to_wgquick(networks_of("peers", size)[0], KEYS)
        return lambda: parse_wgquick(encode_wgquick(file), name="wg0")

    expect_near_linear(prepare)


def test_a_removal_is_found_in_near_linear_time() -> None:
    expect_near_linear(lambda size: lambda: [*removal_findings(networks_of("networks", size), (), ())])


def test_a_list_of_a_signed_object_is_checked_in_near_linear_time() -> None:
    shape = array(text(".*", "text"), 0, FACTOR * SIZE)
    expect_near_linear(lambda size: lambda: shape([str(number) for number in range(size)], "list"))
