"""docs/guide/library.md does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.ends import PORT, Ends
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, OUTER

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
    three_lines, values, change, watch, _node, _fetch, keys = blocks(ends)
    for code in (three_lines, f"{values}\n{change}", f"import warren\n{values}\n{watch}\n{WATCHED}", keys):
        done = ends.near.attempt(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_nodes_of_the_guide_reach_a_web_server(ends: Ends, tmp_path: Path) -> None:
    ends.done(ends.far, "up", ends.conf(ends.far))
    ends.far.start("python3", "-m", "http.server", "--bind", FAR_INNER[0], "--directory", tmp_path, "80", log="web")
    until(lambda: ends.far.attempt("curl", "-sf", f"http://{FAR_INNER[0]}/").returncode == 0, "the web server answers")
    *_, node, fetch, _keys = blocks(ends)
    first, second = (
        ends.near.attempt(sys.executable, "-c", code.replace("10.77.0.1", FAR_INNER[0])) for code in (node, fetch)
    )
    assert first.stdout == f"('{FAR_INNER[0]}', 80) b'HTTP/1.0 200 OK\\r\\n'\n", first.stderr
    assert "Directory listing" in second.stdout, second.stderr
    assert "wg0" not in ends.near.links()


@pytest.mark.security
def test_no_block_prints_a_secret(ends: Ends) -> None:
    done = ends.near.attempt(sys.executable, "-c", blocks(ends)[0])
    assert f"listen_port={PORT}" in done.stdout
    assert not any(secret in done.stdout for secret in ends.secrets)
