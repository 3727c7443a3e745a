"""Which file is a script (V-57, X-07)."""

from __future__ import annotations

import pytest

from warren.commands.handlers.script_file import FILES, ScriptError, is_rooted, path_of, pins_of, verify_pins
from warren.commands.settings import ScriptSettings

pytestmark = pytest.mark.unit

ROOT = "/opt/Viworks/scripts_viworks"
A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("panel_create", "add_user.sh"),
        ("openvpn_create", "add_vpn_user.sh"),
        ("panel_delete", "delete_user.sh"),
        ("openvpn_delete", "delete_vpn_user.sh"),
    ],
)
def test_script_names_below_scripts_root(name: str, file: str) -> None:
    assert path_of(name, ScriptSettings(scripts_root=ROOT)) == f"{ROOT}/{file}"
    assert is_rooted(name, ScriptSettings(scripts_root=ROOT))


def test_entry_overrides_scripts_root() -> None:
    settings = ScriptSettings({"panel_create": "/usr/local/bin/add"}, ROOT)
    assert path_of("panel_create", settings) == "/usr/local/bin/add"
    assert not is_rooted("panel_create", settings)


def test_unconfigured_script_has_no_path() -> None:
    assert path_of("panel_create", ScriptSettings()) is None
    assert path_of("other", ScriptSettings(scripts_root=ROOT)) is None
    assert "other" not in FILES


@pytest.mark.parametrize("path", ["add_user.sh", "./add_user.sh", "", "/opt/../tmp/add_user.sh", "/opt/.."])
def test_relative_path_is_rejected(path: str) -> None:
    with pytest.raises(ScriptError) as refused:
        path_of("panel_create", ScriptSettings({"panel_create": path}))
    assert refused.value.fields["script"] == "panel_create"


def test_both_pins_must_match() -> None:
    settings = ScriptSettings(sha256={"panel_create": A.upper()})
    assert pins_of("panel_create", settings, {}) == {A}
    assert pins_of("panel_create", settings, {"panel_create": B}) == {A, B}
    assert pins_of("panel_delete", settings, {}) == set()
    verify_pins("panel_create", "/x", A, frozenset({A}))
    for pins in ({B}, {A, B}):
        with pytest.raises(ScriptError, match=A) as refused:
            verify_pins("panel_create", "/x", A, frozenset(pins))
        assert refused.value.fields["sha256"] == A
        assert refused.value.fields["pinned"] == " ".join(sorted(pins))
