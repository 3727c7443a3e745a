"""One interface in a network namespace: what a round reads and plans again, and what it does not."""

from __future__ import annotations

import sys

import pytest

from tests.netns.host import IN_NAMESPACES, Host

pytestmark = IN_NAMESPACES

HEAD = """
import subprocess
from ipaddress import ip_interface, ip_network
from warren._core import Netlink, PrivateKey
from warren.agent.io.interface import Interface
from warren.tunnel.backend_rule import BackendRule
from warren.tunnel.config import InterfaceConfig, PeerConfig

def ip(words):
    subprocess.run(["ip", *words.split()], check=True)

peer = PeerConfig(PrivateKey.generate().public_key(), allowed_ips=(ip_network("10.44.0.0/16"),))
desired = InterfaceConfig("wg0", PrivateKey.generate(), addresses=(ip_interface("10.9.0.1/24"),), peers=(peer,))
interface = Interface("wg0", BackendRule(("userspace",)), Netlink.open())
interface.create(desired)
"""
CODE = {
    "a foreign change that the kernel did not report is found by the timer": (
        """
first = interface.observe(anew=False)
print(interface.update(desired, first))
ip("route delete 10.44.0.0/16 dev wg0")
interface._host_due_at = 0.0  # as after the interval
print([type(step).__name__ for step in interface.update(desired, interface.observe(anew=False))])
""",
        ["()", "['AddRoute']"],
    ),
    "a reported change is read at once": (
        """
interface._host_due_at = float("inf")
ip("route delete 10.44.0.0/16 dev wg0")
print(interface.update(desired, interface.observe(anew=False)))
interface.on_host_change()
print([type(step).__name__ for step in interface.update(desired, interface.observe(anew=False))])
""",
        ["()", "['AddRoute']"],
    ),
    "a change of the engine is seen in every round": (
        """
interface._host_due_at = float("inf")
print(interface.update(desired, interface.observe(anew=False)))
subprocess.run(["wg", "set", "wg0", "peer", str(peer.public_key), "allowed-ips", "10.45.0.0/16"], check=True)
(step,) = interface.update(desired, interface.observe(anew=False))
print(*step.peers[0].allowed_ips)
""",
        ["()", "10.44.0.0/16"],
    ),
}


@pytest.mark.needs("wg")
@pytest.mark.parametrize("name", CODE)
def test_interface_is_planned_again_when_something_changed(hosts: tuple[Host, Host], name: str) -> None:
    code, expected = CODE[name]
    done = hosts[0].attempt(sys.executable, "-c", f"{HEAD}{code}\ninterface.remove()\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == expected
