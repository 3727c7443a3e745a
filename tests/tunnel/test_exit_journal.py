"""Settings of forwarding: what an exit node needs, and what is restored afterwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.exit_journal import (
    ExitJournal,
    Setting,
    encode_journal,
    is_setting,
    needed_settings,
    parse_journal,
    restoring,
    side_effects,
    unneeded_keys,
)

pytestmark = pytest.mark.unit

LINKS = {4: ("wg0", "eth0"), 6: ("wg0", "eth0")}
BEFORE = {
    **{f"ipv4/conf/{name}/forwarding": "0" for name in ("all", "default", "eth0", "wg0")},
    **{f"ipv6/conf/{name}/forwarding": "0" for name in ("all", "default", "eth0", "eth1", "wg0")},
    **{f"ipv6/conf/{name}/accept_ra": "1" for name in ("all", "default", "eth0", "eth1")},
    "ipv6/conf/wg0/accept_ra": "0",
}
FOR_HOST = "ipv6/conf/all/forwarding"
"""The settings of a host whose kernel is older than 6.17."""


def opened(values: dict[str, str]) -> ExitJournal:
    """Set what is needed, as the kernel does, and return the journal."""
    journal = ExitJournal(has_table=True)
    for key, value in needed_settings(LINKS, values):
        journal = journal.with_settings([Setting(key, values[key], value), *side_effects(key, values)])
    for key, value in needed_settings(LINKS, dict(values)):
        write(values, key, value)
    return journal


def write(values: dict[str, str], key: str, value: str) -> None:
    """Write as the kernel does: the setting for the whole host sets every link."""
    values[key] = value
    if key == FOR_HOST:
        values |= {other: value for other in values if other.startswith("ipv6/") and other.endswith("/forwarding")}


def closed(journal: ExitJournal, values: dict[str, str]) -> dict[str, str]:
    """Restore, and return the values after it."""
    for key, value in restoring(journal, values):
        write(values, key, value)
    return values


def test_ipv6_takes_router_advertisements_before_the_host_is_a_router() -> None:
    keys = [key for key, _ in needed_settings(LINKS, BEFORE)]
    assert keys == [
        *("ipv4/conf/wg0/forwarding", "ipv4/conf/eth0/forwarding"),
        *(f"ipv6/conf/{name}/accept_ra" for name in ("all", "default", "eth0", "eth1")),
        FOR_HOST,
    ]


def test_newer_kernel_forwards_ipv6_of_the_links_alone() -> None:
    values = BEFORE | {f"ipv6/conf/{name}/force_forwarding": "0" for name in ("all", "eth0", "eth1", "wg0")}
    needed = [key for key, _ in needed_settings({6: ("wg0", "eth0")}, values)]
    assert needed == ["ipv6/conf/wg0/force_forwarding", "ipv6/conf/eth0/force_forwarding"]
    assert needed_settings({6: ("wg0", "eth0")}, values | {FOR_HOST: "1"}) == []


def test_all_settings_are_restored() -> None:
    values = dict(BEFORE)
    journal = opened(values)
    assert values["ipv6/conf/eth1/forwarding"] == "1"
    assert closed(journal, values) == BEFORE


def test_link_that_was_a_router_before_stays_one() -> None:
    before = BEFORE | {"ipv6/conf/eth1/forwarding": "1"}
    values = dict(before)
    assert closed(opened(values), values) == before


def test_value_that_no_longer_stands_is_left() -> None:
    values = dict(BEFORE)
    journal = opened(values)
    values |= {"ipv4/conf/eth0/forwarding": "0", "ipv6/conf/eth0/accept_ra": "0"}
    after = closed(journal, values)
    assert after == BEFORE | {"ipv6/conf/eth0/accept_ra": "0"}


def test_value_that_another_program_set_is_left_also_by_the_setting_of_the_host() -> None:
    values = dict(BEFORE)
    journal = opened(values).left_to_others({"ipv4/conf/eth0/forwarding", "ipv6/conf/eth1/forwarding"})
    changed = {"ipv4/conf/eth0/forwarding": "1", "ipv6/conf/eth1/forwarding": "1"}
    assert closed(journal, values) == BEFORE | changed


def test_host_that_another_program_made_a_router_stays_one() -> None:
    values = dict(BEFORE)
    journal = opened(values)
    journal = journal.left_to_others({key for key in values if key.endswith("/forwarding")})
    after = closed(journal, dict(values))
    assert {key: value for key, value in after.items() if key.endswith("/forwarding")} == {
        key: value for key, value in values.items() if key.endswith("/forwarding")
    }


def test_settings_of_a_link_that_is_gone_are_skipped() -> None:
    values = dict(BEFORE)
    journal = opened(values)
    gone = {key: value for key, value in values.items() if "/wg0/" not in key}
    assert not any("/wg0/" in key for key, _ in restoring(journal, gone))


def test_settings_of_ipv6_stay_while_the_host_forwards_it() -> None:
    values = dict(BEFORE)
    journal = opened(values)
    assert unneeded_keys(journal, {FOR_HOST, "ipv4/conf/wg0/forwarding"}) == {"ipv4/conf/eth0/forwarding"}
    assert "ipv6/conf/eth0/accept_ra" in unneeded_keys(journal, {"ipv4/conf/wg0/forwarding"})


keys = st.sampled_from(sorted(BEFORE)).filter(is_setting)
journals = st.builds(
    ExitJournal,
    has_table=st.booleans(),
    settings=st.lists(
        st.builds(Setting, keys, st.sampled_from("012"), st.sampled_from("12"), st.booleans()), max_size=4
    ).map(tuple),
)


@given(journals)
def test_written_journal_is_read_as_the_same(journal: ExitJournal) -> None:
    assert parse_journal(encode_journal(journal)) == journal


@pytest.mark.security
@pytest.mark.parametrize(
    "key",
    [
        "ipv4/conf/../../../kernel/core_pattern/forwarding",
        "ipv4/conf/../forwarding",
        "ipv4/conf/./forwarding",
        "ipv4/conf//forwarding",
        "ipv4/ip_forward",
        "ipv4/conf/eth0/rp_filter",
        "../kernel/core_pattern",
        "ipv4/conf/an-interface-with-a-long-name/forwarding",
        "ipv4/conf/eth0/forwarding\n",
    ],
)
def test_journal_with_another_file_is_no_journal(key: str) -> None:
    octets = encode_journal(ExitJournal(settings=(Setting(key, "1", "1"),)))
    with pytest.raises(ValueError, match="is not a setting of forwarding"):
        parse_journal(octets)


@given(st.binary() | st.text('{}[]":,01 versiontablesettingskeyformer').map(str.encode))
def test_any_file_is_a_journal_or_a_value_error(octets: bytes) -> None:
    try:
        parse_journal(octets)
    except ValueError:
        return
    raise AssertionError("no such text is a journal")
