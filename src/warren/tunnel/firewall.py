"""Find the chain of another program that drops what an exit node forwards. Pure.

An accept in one base chain does not undo a drop in another (nft(8), "Base chains"). So each base chain of the hook
`forward` is evaluated for two packets: one of a peer to the uplink, and its answer. A match that cannot be decided here
counts as none: the chain is then reported if its policy drops.
"""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warren.tunnel.nft_exit import TABLE

MAX_DEPTH = 16  # NFT_JUMP_STACK_SIZE of the kernel
FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
PLAIN_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")
DOCKER_CHAIN = "DOCKER-USER"
IPTABLES_CHAIN = "FORWARD"
PROGRAM = {"ip": "iptables", "ip6": "ip6tables"}
LEGACY_SUFFIX = "-legacy"
LEGACY_TABLE = f"filter{LEGACY_SUFFIX}"
"""The table `filter` of legacy iptables, which nftables knows nothing of."""


class Verdict(enum.StrEnum):
    """The effect of a rule on a packet that it matches."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Packet:
    """The fields of a packet that rules can match: of one of a peer, or of its answer."""

    version: int
    iifname: str
    oifname: str
    state: str

    def value(self, name: str) -> str | None:
        """Return a field by its name in nftables, or None for one that is not known."""
        match name:
            case "iifname" | "iif":
                return self.iifname
            case "oifname" | "oif":
                return self.oifname
            case "state":
                return self.state
            case "nfproto":
                return f"ipv{self.version}"
            case "l4proto" | "protocol":
                return "tcp"
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Match:
    """One match of a rule: a field of `Packet`, and the values of which it must have one."""

    field: str
    values: tuple[str, ...] = ()
    is_negated: bool = False

    def holds(self, packet: Packet) -> bool:
        """Return True if the packet surely matches."""
        value = packet.value(self.field)
        if value is None or not self.values:
            return False
        return any(_equal(value, wanted) for wanted in self.values) != self.is_negated


@dataclass(frozen=True, slots=True)
class Rule:
    """The matches of a rule, and its verdict."""

    tests: tuple[Match, ...]
    verdict: Verdict
    target: str = ""


@dataclass(slots=True)
class Chain:
    """A chain with its rules in order; a base chain has a policy."""

    family: str
    table: str
    name: str
    policy: Verdict | None = None
    rules: list[Rule] = field(default_factory=list)


Chains = dict[tuple[str, str, str], Chain]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A chain of another program that drops packets of an exit node, and the commands that let them pass."""

    chain: str
    """`TABLE/CHAIN`."""
    commands: tuple[str, ...]


def blocking_chains(chains: Chains, interface: str, uplinks: Mapping[int, Sequence[str]]) -> Iterator[Blocked]:
    """Yield the base chains that drop packets between `interface` and an uplink, by version of IP."""
    for chain in chains.values():
        if chain.policy is None or chain.table == TABLE:
            continue
        packets = [
            packet
            for version in FAMILIES[chain.family]
            for uplink in uplinks.get(version, ())
            for packet in (
                Packet(version, interface, uplink, "new"),
                Packet(version, uplink, interface, "established"),
            )
        ]
        if any(_drops(chains, chain, packet) for packet in packets):
            yield Blocked(
                f"{_shown(chain.table.removesuffix(LEGACY_SUFFIX))}/{_shown(chain.name)}",
                tuple(_commands(chains, chain, interface)),
            )


def _commands(chains: Chains, chain: Chain, interface: str) -> Iterator[str]:
    """Yield the commands that add the rules: answers go back through the same chain."""
    if chain.name == IPTABLES_CHAIN and chain.family in PROGRAM:
        program = PROGRAM[chain.family] + (LEGACY_SUFFIX if chain.table == LEGACY_TABLE else "")
        has_docker = (chain.family, chain.table, DOCKER_CHAIN) in chains
        name = DOCKER_CHAIN if has_docker else IPTABLES_CHAIN
        for option in ("-i", "-o"):
            yield f"{program} -I {name} {option} {interface} -j ACCEPT"
    else:
        place = f"{chain.family} {_shown(chain.table)} {_shown(chain.name)}"
        for key in ("iifname", "oifname"):
            yield f"nft insert rule {place} {key} {interface} accept"


def _drops(chains: Chains, base: Chain, packet: Packet) -> bool:
    return (_evaluate(chains, base, packet, MAX_DEPTH) or base.policy) is Verdict.DROP


def _evaluate(chains: Chains, chain: Chain, packet: Packet, depth: int) -> Verdict | None:
    """Return the verdict of a chain, or None if the packet reaches its end or returns."""
    for rule in chain.rules:
        if not all(test.holds(packet) for test in rule.tests):
            continue
        match rule.verdict:
            case Verdict.ACCEPT | Verdict.DROP:
                return rule.verdict
            case Verdict.RETURN:
                return None
            case Verdict.JUMP | Verdict.GOTO:
                target = chains.get((chain.family, chain.table, rule.target))
                found = _evaluate(chains, target, packet, depth - 1) if target is not None and depth else None
                if found is not None or rule.verdict is Verdict.GOTO:
                    return found
            case Verdict.CONTINUE:
                pass
    return None


def _equal(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith(("*", "+")) else value == wanted


def _shown(name: str) -> str:
    return name if PLAIN_NAME.fullmatch(name) else "?"


def parse_ruleset(document: Any) -> Chains:
    """Return the chains of `nft -j list ruleset`. Raises ValueError for what nft never prints."""
    chains: Chains = {}
    try:
        for item in document["nftables"]:
            if "chain" in item and item["chain"]["family"] in FAMILIES:
                _add_chain(chains, item["chain"])
            elif "rule" in item and item["rule"]["family"] in FAMILIES:
                rule = item["rule"]
                chains[rule["family"], rule["table"], rule["chain"]].rules += _rules(rule["expr"])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("the output of nft is not a ruleset") from error
    return chains


def _add_chain(chains: Chains, chain: Mapping[str, Any]) -> None:
    is_forward = chain.get("hook") == "forward" and chain.get("type") == "filter"
    policy = (Verdict.DROP if chain.get("policy") == "drop" else Verdict.ACCEPT) if is_forward else None
    key = (str(chain["family"]), str(chain["table"]), str(chain["name"]))
    chains[key] = Chain(*key, policy)


def _rules(expressions: Sequence[Any]) -> Iterator[Rule]:
    """Yield a rule for each verdict: one rule of nftables with a verdict map has several."""
    tests: list[Match] = []
    for expression in expressions:
        name, value = next(iter(expression.items()))
        match name:
            case "match":
                tests.append(_test(value))
            case "vmap":
                yield from _map_rules(tests, value)
            case "accept" | "drop" | "return":
                yield Rule(tuple(tests), Verdict(name))
            case "reject":
                yield Rule(tuple(tests), Verdict.DROP)
            case "jump" | "goto":
                yield Rule(tuple(tests), Verdict(name), str(value["target"]))
            case "counter" | "log" | "mangle" | "notrack" | "set" | "meter" | "ct helper" | "comment":
                pass
            case _:  # limit, xt and others: they match, or they do not
                tests.append(Match(name))


def _test(match: Mapping[str, Any]) -> Match:
    return Match(_field(match["left"]), _values(match["right"]), match["op"] == "!=")


def _field(left: Any) -> str:
    if isinstance(left, dict):
        for kind in ("meta", "ct"):
            if kind in left:
                key = str(left[kind]["key"])
                return key if (kind == "ct") == (key == "state") else f"{kind} {key}"
        if "payload" in left and left["payload"].get("field") == "protocol":
            return "protocol"
    return "unknown"


def _values(right: Any) -> tuple[str, ...]:
    """Return the values of a match; none for a named set or an operand that is not known."""
    if isinstance(right, dict):
        right = right.get("set", ())
    texts = [right] if isinstance(right, str) else right
    if not isinstance(texts, list) or not all(isinstance(text, str) and not text.startswith("@") for text in texts):
        return ()
    return tuple(texts)


def _map_rules(tests: Sequence[Match], value: Mapping[str, Any]) -> Iterator[Rule]:
    name, data = _field(value["key"]), value["data"]
    for key, verdict in data["set"] if isinstance(data, dict) and "set" in data else ():
        ((kind, target),) = verdict.items()
        if kind in {"accept", "drop", "return", "jump", "goto"}:
            to = str(target["target"]) if isinstance(target, dict) else ""
            yield Rule((*tests, Match(name, _values(key))), Verdict(kind), to)


def parse_iptables(text: str, family: str) -> Chains:
    """Return the chains of the table `filter` in the output of `iptables-save` (iptables-legacy-save(8))."""
    chains: Chains = {}
    for line in text.splitlines():
        if match := re.fullmatch(r":(\S+) (\S+)(?: \[\d+:\d+\])?", line):
            is_forward = match[1] == IPTABLES_CHAIN
            policy = (Verdict.DROP if match[2] == "DROP" else Verdict.ACCEPT) if is_forward else None
            chains[family, LEGACY_TABLE, match[1]] = Chain(family, LEGACY_TABLE, match[1], policy)
        elif line.startswith("-A "):
            _add_rule(chains, family, line)
    return chains


def _add_rule(chains: Chains, family: str, line: str) -> None:
    try:
        _, name, *words = shlex.split(line)
    except ValueError:
        return
    chain = chains.get((family, LEGACY_TABLE, name))
    if chain is not None:
        chain.rules.append(_iptables_rule(words))


OPTIONS = {"-i": "iifname", "-o": "oifname", "-p": "protocol", "--ctstate": "state", "--state": "state"}
TARGETS = {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP, "REJECT": Verdict.DROP, "RETURN": Verdict.RETURN}
NO_VERDICT = {"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CT"}
WITHOUT_MEANING = {"-m", "--comment", "--reject-with", "--log-prefix", "--log-level"}
"""Options whose value decides nothing here."""


def _iptables_rule(words: Sequence[str]) -> Rule:
    tests: list[Match] = []
    verdict, target, is_negated = Verdict.CONTINUE, "", False
    rest = iter(words)
    for word in rest:
        if word == "!":
            is_negated = True
            continue
        if word in OPTIONS:
            values = next(rest, "").split(",")
            tests.append(Match(OPTIONS[word], tuple(map(_lower_state, values)), is_negated))
        elif word in {"-j", "-g"}:
            target = next(rest, "")
            verdict = TARGETS.get(target) or (
                Verdict.CONTINUE if target in NO_VERDICT else Verdict.JUMP if word == "-j" else Verdict.GOTO
            )
        elif word in WITHOUT_MEANING:
            next(rest, "")
        elif word.startswith("-"):
            tests.append(Match("unknown"))
        is_negated = False
    return Rule(tuple(tests), verdict, target)


def _lower_state(value: str) -> str:
    return value.lower() if value.isupper() else value
