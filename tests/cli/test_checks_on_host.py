"""What `warren doctor` says of an interface from which another program took something, before it is reconciled."""

from __future__ import annotations

import json
import sys

import pytest

from tests.netns.host import IN_NAMESPACES

from .ends import Ends
from .test_default_route import settled

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]

CHECKS = """
import json, subprocess, sys
from ipaddress import ip_interface, ip_network
from warren import InterfaceConfig, PeerConfig, PrivateKey, up
from warren._core import Netlink
from warren.cli.checks import check_addresses, check_full_tunnel, check_routes
from warren.tunnel.io.observe import find_link, link_status

addresses = ("10.9.0.1/24", "fe80::7/64")
allowed = ("0.0.0.0/0", "10.44.0.0/16")
peer = PeerConfig(PrivateKey.generate().public_key(), allowed_ips=tuple(map(ip_network, allowed)))
config = InterfaceConfig("wg0", PrivateKey.generate(), addresses=tuple(map(ip_interface, addresses)), peers=(peer,))
configured = addresses[: int(sys.argv[1])]
with up(config):
    for command in sys.argv[2:]:
        subprocess.run(command.split(), check=True)
    netlink = Netlink.open()
    status = link_status(find_link("wg0", netlink), netlink)
    network, peers = {"interface": "wg0", "addresses": list(configured)}, [{"allowed_ips": list(allowed)}]
    found = (
        check_addresses(network, status), check_routes(network, peers, status),
        *check_full_tunnel("wg0", status, netlink),
    )
    print(json.dumps({verdict.check: [verdict.result, verdict.sentence] for verdict in found}))
"""


def verdicts(ends: Ends, *commands: str, configured: int = 2) -> dict[str, list[str]]:
    """Return the verdicts after those commands; of the interface's addresses the first ones count as configured."""
    settled(ends.near)
    done = ends.near.attempt(sys.executable, "-c", CHECKS, str(configured), *commands)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_checks_pass_for_an_interface_that_nobody_touched(ends: Ends) -> None:
    assert {result for result, _ in verdicts(ends).values()} == {"ok"}


@pytest.mark.parametrize(
    ("command", "check", "result", "sentence"),
    [
        ("ip address delete 10.9.0.1/24 dev wg0", "addresses", "failed", "wg0 has no address 10.9.0.1/24"),
        ("ip address delete 10.9.0.1/24 dev wg0", "routes", "warning", "0.0.0.0/0"),
        ("ip address add 10.9.0.77/32 dev wg0", "addresses", "warning", "10.9.0.77/32, which another program added"),
        ("ip route delete 10.9.0.0/24 dev wg0", "routes", "warning", "no route to wg0 for 10.9.0.0/24"),
        ("ip route delete 10.44.0.0/16 dev wg0", "routes", "warning", "no route to wg0 for 10.44.0.0/16"),
        ("ip rule delete priority 32765", "full tunnel", "failed", "missing rule 32765 to table 51820"),
        ("ip rule delete priority 32764", "full tunnel", "failed", "missing rule 32764 to table 254"),
        ("nft delete table ip warren-wg0", "full tunnel", "failed", "the nftables table warren-wg0"),
        (
            "ip route delete unreachable default table 51820",
            "full tunnel",
            "failed",
            "the fallback for 0.0.0.0/0 in table 51820",
        ),
    ],
)
def test_checks_name_what_another_program_changed(
    ends: Ends, command: str, check: str, result: str, sentence: str
) -> None:
    verdict = verdicts(ends, command)[check]
    assert verdict[0] == result
    assert sentence in verdict[1]


def test_checks_find_an_address_of_warren_that_is_not_configured(ends: Ends) -> None:
    result, sentence = verdicts(ends, configured=1)["addresses"]
    assert (result, sentence) == ("failed", "wg0 still has fe80::7/64, which is not configured")
