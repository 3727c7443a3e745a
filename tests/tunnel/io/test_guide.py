"""docs/guide/library.md does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.ends import PORT, Ends
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import OUTER

pytestmark = IN_NAMESPACES

GUIDE = Path(__file__).parents[3] / "docs/guide/library.md"
# Ends the watch of the guide as soon as it runs.
WATCHED = """
tunnel = up(config)
async def watched():
    watching = asyncio.ensure_future(watch(tunnel))
    await asyncio.sleep(0)
    tunnel.close()
    await asyncio.wait_for(watching, 60)
asyncio.run(watched())
print("watched to the end")
"""


def blocks(ends: Ends) -> list[str]:
    """The guide's Python, with the file and the address of this test."""
    text = GUIDE.read_text().replace('"wg0.conf"', repr(str(ends.conf(ends.near))))
    return re.findall(r"```python\n(.*?)```", text.replace("vpn.example.org", OUTER["far"][0]), re.DOTALL)


def test_every_block_runs(ends: Ends) -> None:
    three_lines, values, change, watch, keys = blocks(ends)
    for code in (three_lines, f"{values}\n{change}", f"import warren\n{values}\n{watch}\n{WATCHED}", keys):
        done = ends.near.attempt(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.security
def test_no_block_prints_a_secret(ends: Ends) -> None:
    done = ends.near.attempt(sys.executable, "-c", blocks(ends)[0])
    assert f"listen_port={PORT}" in done.stdout
    assert not any(secret in done.stdout for secret in ends.secrets)
