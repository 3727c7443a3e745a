"""Guards of default routes in a real network namespace: kept, shared out, and taken back with what was set for them."""

from __future__ import annotations

import pytest

from tests.cli.ends import Ends

from .test_policy import said

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.needs("nsenter", "ip", "wg", "ping", "nft")]

# `other` is another interface beside that of `config`.
STRICT = """
from pathlib import Path
from warren.errors import HostError
from warren.tunnel.io.nft_guard import observed_guards, set_guard

def setting(name, value=None):
    path = Path("/proc/sys/net/ipv4/conf/all", name)
    if value is not None:
        path.write_text(str(value))
    return int(path.read_text())

def nft(words):
    subprocess.run(["nft", words], check=True)

def other(*allowed_ips):
    wanted = config(*allowed_ips)
    return replace(wanted, name="wg1", addresses=(ip_interface("10.6.0.1/24"),), private_key=PrivateKey.generate())

setting("rp_filter", 1)
"""

SHARED = """
with up(config("0.0.0.0/0")) as first:
    with up(other("0.0.0.0/0")):
        first.close()
        print(setting("src_valid_mark"), [guard.link for guard in netlink.guards()])
print(setting("src_valid_mark"), netlink.guards())
setting("src_valid_mark", 1)
up(config("0.0.0.0/0")).close()
print(setting("src_valid_mark", 0))
"""


def test_the_last_one_takes_the_setting_back_and_nobody_if_it_was_set_before(ends: Ends) -> None:
    assert said(ends, STRICT + SHARED + 'setting("rp_filter", 0)') == ["1 ['wg1']", "0 []", "0"]


MENDED = """
wanted = config("0.0.0.0/0", fwmark=51820)
with up(wanted) as tunnel:
    for change in (
        lambda: setting("src_valid_mark", 0),
        lambda: nft("flush table ip warren-wg0"),
        lambda: nft("delete table ip warren-wg0"),
    ):
        change()
        print([type(step).__name__ for step in plan(wanted, tunnel.status())])
        tunnel.reconfigure(wanted)
        print(plan(wanted, tunnel.status()), setting("src_valid_mark"))
    tunnel.reconfigure(config("::/0"))
    print([(guard.link, guard.version) for guard in netlink.guards()], setting("src_valid_mark"))
"""


def test_what_others_took_away_comes_back(ends: Ends) -> None:
    lines = said(ends, STRICT + MENDED + 'setting("rp_filter", 0)')
    assert lines == [*["['SetGuard']", "() 1"] * 3, "[('wg0', 6)] 0"]


SWEPT = """
nft("add table ip warren-wg9")
with up(config("0.0.0.0/0", "::/0")) as tunnel:
    remove_stale_policy(netlink)
    print(len(netlink.guards()))
    ip("link set wg0 down")
    remove_stale_policy(netlink)
    print(len(netlink.guards()))
    active_marks.record("wg0", None)  # as for another process
    remove_stale_policy(netlink)
    print(netlink.guards(), setting("src_valid_mark"))
print(subprocess.run(["nft", "list", "tables"], stdout=-1, text=True).stdout)
nft("delete table ip warren-wg9")
"""


@pytest.mark.security
def test_only_those_whose_interface_is_gone_are_swept_away(ends: Ends) -> None:
    """Row H-94."""
    lines = said(ends, STRICT + SWEPT + 'setting("rp_filter", 0)')
    assert lines == ["2", "2", "[] 0", "table ip warren-wg9", ""]


WITHOUT = """
class Without:
    '''This host, had its kernel no nf_tables.'''

    def __getattr__(self, name):
        return getattr(netlink, name)

    def guards(self):
        raise HostError("none", code="host.no_nftables", errno=93)

    def set_guard(self, guard, sets_valid_mark):
        self.guards()

from warren.tunnel.nft_guard import guards_for
(guard,) = guards_for(config("0.0.0.0/0"))
try:
    set_guard(guard, Without())
except HostError as error:
    print(error.code)
setting("rp_filter", 0)
set_guard(guard, Without())
print(observed_guards("wg0", Without()), netlink.guards())
"""


def test_without_nf_tables_it_is_done_without_where_that_can_be(ends: Ends) -> None:
    assert said(ends, STRICT + WITHOUT) == ["host.no_nftables", "None []"]
