"""Names that mean something else to another system: none of ours is handed to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from warren import reserved_names
from warren.commands.providers import openvpn
from warren.commands.providers.arguments import USERNAME, VPN_USERNAME
from warren.commands.schema import Schema
from warren.commands.settings import UNIT, ContainerSettings
from warren.errors import ConfigError
from warren.reserved_names import ENGINE_NETWORKS, INTERFACES, OPENVPN_USERS, ReservedNames
from warren.tunnel.config import interface_name_findings

pytestmark = pytest.mark.unit

(CREATE,) = openvpn.VERBS
SYSTEMS = [each for each in vars(reserved_names).values() if isinstance(each, ReservedNames)]


def spellings(names: ReservedNames) -> Iterator[str]:
    """Yield every reserved name in four mixtures of cases."""
    for name in names.meanings:
        yield from (name, name.upper(), name.capitalize(), name.swapcase())


def test_every_system_has_a_test() -> None:
    assert SYSTEMS == [OPENVPN_USERS, INTERFACES, ENGINE_NETWORKS]


@pytest.mark.parametrize("names", SYSTEMS)
def test_the_published_pattern_is_what_is_checked(names: ReservedNames) -> None:
    for name in (*spellings(names), "wg0", "ada", "bridge", "defaults", "undefined", "localhost"):
        assert bool(re.fullmatch(names.pattern(), name)) == (names.meaning(name) is not None)


@pytest.mark.security
@pytest.mark.parametrize("schema", CREATE.schemas)
@pytest.mark.parametrize("name", [*spellings(OPENVPN_USERS)])
def test_an_openvpn_user_has_no_name_that_openvpn_understands_otherwise(schema: Schema, name: str) -> None:
    (problem,) = (each for each in schema.problems({"username": name}) if "missing" not in each)
    assert problem.startswith("username: is reserved for ")
    assert USERNAME.problem(name) is None, "such a user can be deleted, and use the panel"
    document = VPN_USERNAME.document()["not"]
    assert isinstance(document, dict)
    assert re.search(document["pattern"], name)


@pytest.mark.parametrize("name", ["undefined", "default1", "a-default", "openvpn", "server"])
def test_an_openvpn_user_may_have_a_name_that_is_longer(name: str) -> None:
    assert VPN_USERNAME.problem(name) is None


@pytest.mark.security
@pytest.mark.parametrize("name", [*spellings(INTERFACES), "0", "1", "51820", "-4", "-v", ".", ".."])
def test_an_interface_has_no_name_that_another_program_understands_otherwise(name: str) -> None:
    assert len([*interface_name_findings(name)]) == 1


@pytest.mark.parametrize("name", ["wg0", "a", "all1", "0a", "=", "lo0", "default-gw"])
def test_an_interface_may_have_other_names(name: str) -> None:
    assert not [*interface_name_findings(name)]


@pytest.mark.security
@pytest.mark.parametrize("key", ["network", "egress_network"])
@pytest.mark.parametrize("name", [*spellings(ENGINE_NETWORKS), "container:web", "ns:1", "host:0", "pasta:-t"])
def test_a_container_has_no_network_that_is_a_mode_of_the_engine(key: str, name: str) -> None:
    (finding,) = replace(ContainerSettings(), **{key: name}).findings()  # type: ignore[arg-type] # one of two texts
    assert finding.key == key


@pytest.mark.parametrize("name", ["none", "bridge", "inside", "hosts"])
def test_a_container_may_use_networks_of_the_engine(name: str) -> None:
    assert not [*ContainerSettings(network=name, egress_network=name).findings()]


@pytest.mark.security
def test_a_unit_is_no_option_of_systemctl() -> None:
    with pytest.raises(ConfigError):
        UNIT.read("-Hroot@192.0.2.1", "")
    assert UNIT.read("openvpn@server.service", "") == "openvpn@server.service"
