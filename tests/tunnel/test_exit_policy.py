"""The keys of `exit_node`: entries with and without ports, and what is no entry."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.strategies import port_ranges
from tests.tunnel.strategies import networks
from warren.config.defaults import WARREN
from warren.config.fields import Spelling
from warren.config.reader import Report, Table, read_settings
from warren.errors import ConfigError
from warren.tunnel.exit_policy import ExitEntry, ExitNode, parse_exit_entry, parse_exit_prefix

pytestmark = pytest.mark.unit


def read(values: dict[str, object], spelling: Spelling = Spelling.TOML) -> tuple[ExitNode, list[tuple[str, str, str]]]:
    """Return the settings and the findings of a table."""
    report = Report()
    settings = read_settings(Table(values, "exit_node", report), ExitNode, WARREN, spelling)
    return settings, [(finding.key, finding.problem, finding.expected) for finding in report.findings]


@pytest.mark.parametrize(
    ("text", "prefix", "ports"),
    [
        ("192.0.2.0/24", "192.0.2.0/24", None),
        ("192.0.2.1", "192.0.2.1/32", None),
        ("0.0.0.0/0:443", "0.0.0.0/0", (443, 443)),
        ("192.0.2.1:1-65535", "192.0.2.1/32", (1, 65535)),
        ("2001:db8::/32", "2001:db8::/32", None),
        ("2001:db8::1", "2001:db8::1/128", None),
        ("[2001:db8::]:25", "2001:db8::/128", (25, 25)),
        ("[2001:db8::/32]:8000-8080", "2001:db8::/32", (8000, 8080)),
    ],
)
def test_entry_with_and_without_ports_is_read(text: str, prefix: str, ports: tuple[int, int] | None) -> None:
    assert parse_exit_entry(text) == ExitEntry(ip_network(prefix), ports)


@pytest.mark.parametrize(
    ("text", "problem", "expected"),
    [
        ("", "invalid prefix ''", "an address or a prefix"),
        ("example.org", "invalid prefix 'example.org'", "an address or a prefix"),
        ("10.0.0.0/255.0.0.0", "invalid prefix '10.0.0.0/255.0.0.0'", "an address or a prefix"),
        ("10.0.0.0/33", "invalid prefix '10.0.0.0/33'", "an address or a prefix"),
        ("fe80::1%eth0", "invalid prefix 'fe80::1%eth0'", "an address or a prefix"),
        ("10.0.0.1/8", "10.0.0.1/8 has host bits set", "10.0.0.0/8"),
        ("[2001:db8::1/32]:25", "2001:db8::1/32 has host bits set", "2001:db8::/32"),
        ("10.0.0.0/8:", "invalid port ''", "1 to 65535"),
        ("10.0.0.0/8:0", "invalid port '0'", "1 to 65535"),
        ("10.0.0.0/8:65536", "invalid port '65536'", "1 to 65535"),
        ("10.0.0.0/8:+1", "invalid port '+1'", "1 to 65535"),
        ("10.0.0.0/8:\u0661", "invalid port '\u0661'", "1 to 65535"),
        ("10.0.0.0/8:2-1", "invalid port '2-1'", "FIRST-LAST"),
        ("10.0.0.0/8:1-2-3", "invalid port '1-2-3'", "FIRST-LAST"),
        ("[2001:db8::/32]", "invalid entry '[2001:db8::/32]'", "brackets around an IPv6 prefix"),
        ("[2001:db8::/32:25", "invalid entry '[2001:db8::/32:25'", "brackets around an IPv6 prefix"),
        ("[10.0.0.0/8]:25", "invalid entry '[10.0.0.0/8]:25'", "brackets around an IPv6 prefix"),
    ],
)
def test_invalid_entry_is_rejected_with_the_right_form(text: str, problem: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_exit_entry(text)
    (finding,) = error.value.findings
    assert finding.problem == problem
    assert expected in finding.expected


@given(networks, st.none() | port_ranges)
def test_written_entry_is_read_as_the_same(prefix: object, ports: tuple[int, int] | None) -> None:
    entry = ExitEntry(prefix, ports)  # type: ignore[arg-type]
    assert parse_exit_entry(str(entry)) == entry


@given(st.text("0123456789abcdef:./[]-% ") | st.text())
def test_any_text_is_an_entry_or_a_config_error(text: str) -> None:
    for parse in (parse_exit_entry, parse_exit_prefix):
        try:
            parse(text)
        except ConfigError as error:
            findings = error.findings
        else:
            continue
        assert all(finding.problem.isprintable() and finding.expected for finding in findings)


def test_exit_node_is_off_and_offers_all_destinations_by_default() -> None:
    settings, findings = read({})
    assert (settings.enabled, settings.allow_lan, findings) == (False, False, [])
    assert settings.routes == (ip_network("0.0.0.0/0"), ip_network("::/0"))


def test_every_invalid_entry_of_a_list_is_reported_with_its_place() -> None:
    _, findings = read({"allow": ["10.0.0.0/8:0", "10.0.0.0/8", 3], "routes": ["10.0.0.1/8"]})
    assert [key for key, _, _ in findings] == ["exit_node.routes[0]", "exit_node.allow[0]", "exit_node.allow[2]"]


def test_enabled_exit_node_without_routes_is_rejected() -> None:
    _, findings = read({"enabled": True, "routes": []})
    assert findings == [
        ("exit_node.routes", "no destination is forwarded", "expected at least one prefix, or enabled = false")
    ]
    assert read({"enabled": False, "routes": []})[1] == []


def test_keys_of_json_are_camel_case() -> None:
    """X-18."""
    settings, findings = read({"allowLan": True}, Spelling.JSON)
    assert (settings.allow_lan, findings) == (True, [])
    assert [key for key, _, _ in read({"allow_lan": True}, Spelling.JSON)[1]] == ["exit_node.allow_lan"]
