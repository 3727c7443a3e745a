"""Warren's reader of wg-quick files against wg-quick and wg themselves.

Each file goes through both. What one accepts the other accepts too, and with the same meaning, unless the guide lists
the difference (docs/guide/wg-quick.md). The seed of the generated files is `WARREN_SEED`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.netns.confs import COLLECTED, generated, read_with_warren
from tests.netns.engine import debian
from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.interface import Interface
from tests.netns.wgreader import Read, Rejected, prepare, read_with_wg_quick, write_files

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("bash", "wg-quick", "wireguard-go")]

GUIDE = Path(__file__).parents[2] / "docs/guide/wg-quick.md"
GENERATED = 150


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference that the guide lists, by the first cell of its row."""

    title: str
    refused: str = ""
    """A pattern of Warren's finding, where Warren refuses what wg-quick takes."""
    accepted: str = ""
    """A pattern of the file, where Warren takes what wg-quick refuses."""


AT = r"(?:line \d+: )?"
DIFFERENCES = (
    Difference(
        "Something that is there twice", rf"{AT}\S+: (?:.*duplicate|.* already belongs to the peer |is this int)"
    ),
    Difference(
        "No `[Interface]`, no `PrivateKey`", rf"{AT}\[Interface\]: is missing|{AT}PrivateKey: (?:is missing|'zero')"
    ),
    Difference("A number out of its range", rf"{AT}(?:Endpoint|ListenPort|MTU|Table): \d+ is out of range"),
    Difference(
        "A number in another notation",
        rf"{AT}(?:Endpoint|ListenPort|MTU|Table): '[-+\dx]\w*' is not a (?:number|routing table)",
    ),
    Difference("A routing table by its name", rf"{AT}Table: '[a-z]\w*' is not a routing table"),
    Difference(
        "An address in another notation",
        rf"{AT}Address: '(?:[\da-fA-F:./]|\\x0[bc])+' is not an address|{AT}Address: 'any'"
        rf"|{AT}Endpoint: '[\dxa-f.]+' is neither an address",
    ),
    Difference("A key without `=`", rf"{AT}this line: has no '='"),
    Difference("What is not text", rf"{AT}this line: (?:is not UTF-8|has a NUL octet)"),
    Difference("An empty item of `AllowedIPs`", accepted=r"(?mi)^\s*AllowedIPs\s*=(?:[^#\n]*,)?\s*(?:,|#|$)"),
    Difference("`AUTO` and `Off` as `Table`", accepted=r"(?mi)^\s*Table\s*=\s*(?-i:(?!auto|off)[A-Za-z])"),
    Difference("A byte order mark", accepted=r"\A\ufeff"),
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    directory = tmp_path_factory.mktemp("near")
    with Host("near", directory) as host:
        prepare(host, directory)
        Interface(host, debian())
        yield host


def compare(host: Host, directory: Path, contents: Sequence[bytes]) -> set[str]:
    """Read every file with both, and return the titles of the differences. Fails for one that is not listed."""
    paths = write_files(directory, contents)
    both = zip(contents, read_with_wg_quick(host, paths), map(read_with_warren, paths), strict=True)
    titles, unlisted = set[str](), list[str]()
    for content, real, own in both:
        if (title := difference(content, real, own)) is None:
            unlisted.append(f"{content!r}\n  wg-quick: {real}\n  warren: {own}")
        else:
            titles.add(title)
    assert not unlisted, "\n".join(unlisted)
    return titles - {""}


def difference(content: bytes, real: Read | Rejected, own: Read | tuple[str, ...]) -> str | None:
    """Return the title of the listed difference, an empty text if there is none, or None if it is not listed."""
    match real, own:
        case Rejected(), tuple():
            return ""
        case Rejected(), Read():
            text = content.decode(errors="replace")
            return next((each.title for each in DIFFERENCES if each.accepted and re.search(each.accepted, text)), None)
        case Read(), tuple():
            titles = [_title_of(finding) for finding in own]
            return None if None in titles else titles[0]
        case _:
            return "" if real == own else None


def _title_of(finding: str) -> str | None:
    return next((each.title for each in DIFFERENCES if each.refused and re.match(each.refused, finding)), None)


def test_collected_files_mean_the_same_to_both(host: Host, tmp_path: Path) -> None:
    titles = compare(host, tmp_path, COLLECTED)
    assert titles == {each.title for each in DIFFERENCES}, "each listed difference is still one"


def test_generated_files_mean_the_same_to_both(host: Host, tmp_path: Path) -> None:
    seed = int(os.environ.get("WARREN_SEED", "1"))
    print(f"WARREN_SEED={seed}")
    compare(host, tmp_path, [*generated(Random(seed), GENERATED)])  # noqa: S311, no secret


def test_the_guide_lists_each_difference_with_its_reason() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", GUIDE.read_text(), re.MULTILINE))
    for each in DIFFERENCES:
        assert len(rows.get(each.title, "")) > 20, each.title
