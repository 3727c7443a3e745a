"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import local_api, reference
from warren import errors

pytestmark = pytest.mark.unit


PLANTED = '''
class Planted:
    def actions(self):
        return (Action("count", self._count, read_only=True, takes_config=True, event="planted.count"),)

    async def _count(self, request, client, now):
        """Add up.

        Twice.

        Config: `{"to": N}`
        Response: `{sum}`
        """
'''


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_is_what_the_code_generates(page: str) -> None:
    assert page not in list(reference.stale_pages()), "run: python -m checks.reference --write"


def test_every_literal_error_code_has_a_hint() -> None:
    assert sorted(set(reference.raised_codes()) - set(errors.HINTS)) == []


def test_a_planted_action_is_in_the_reference(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    (row,) = local_api.rows("Action", tmp_path)
    cells = ("`count`", "`warren-read`", '`{"to": N}`', "`{sum}`", "`planted.count`", "Add up. Twice.")
    assert local_api.action_cells(row) == cells


def test_every_action_and_route_is_described() -> None:
    actions = list(local_api.rows("Action", reference.ROOT / "src"))
    routes = list(local_api.rows("Route", reference.ROOT / "src"))
    assert len(actions) >= 15
    assert len(routes) >= 8
    assert [row.names for row in (*actions, *routes) if not row.text] == []
    assert [row.names for row in actions if not row.member("Response")] == []
    assert [row.names for row in actions if bool(row.keywords.get("takes_config")) != bool(row.member("Config"))] == []
