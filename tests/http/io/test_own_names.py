"""The names by which clients may address this host."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from warren.http.io.own_names import own_names

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "hosts", "names"),
    [
        ("gateway", "", {"gateway", "gateway.local"}),
        ("Gateway.Example.org", "", {"gateway.example.org", "gateway", "gateway.local"}),
        (
            "gateway",
            "127.0.0.1 localhost\n127.0.1.1\tgateway.example.org gateway # ours other\n0.0.0.0 ads.example\n",
            {"gateway", "gateway.local", "gateway.example.org"},
        ),
        ("", "127.0.0.1 localhost\n", set()),
    ],
)
def test_own_names_are_those_of_the_host_and_of_its_line_in_hosts(
    name: str, hosts: str, names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    (tmp_path / "hosts").write_text(hosts)
    assert own_names(tmp_path / "hosts") == names
    assert own_names(tmp_path / "absent") <= names
