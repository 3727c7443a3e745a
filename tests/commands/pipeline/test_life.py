"""Whatever comes in whatever order, restarts and clocks included, a store does what a few lines of Python say."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.commands.sandbox_requests import accepted, finished, order, result
from tests.commands.store.stores import KEY, Place
from warren.audit.io.logfiles import log_of
from warren.audit.verify import read_checkpoints, verify_log
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, InProgress, Stored
from warren.commands.result import Code, CommandError, Result
from warren.commands.store.command_store import CommandStore

pytestmark = [pytest.mark.integration, pytest.mark.security]

numbers = st.integers(0, 4)
nonces = st.integers(0, 9)


@dataclass
class Command:
    """What is true of one that was accepted."""

    args: str
    result: Result | None = None


class Life(RuleBasedStateMachine):
    """A store beside what it should know."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.place = Place(self.directory).begin()
        self.loop = asyncio.new_event_loop()
        self.store = self._start()
        self.used: set[str] = set()
        self.commands: dict[str, Command] = {}
        self.runs = 0

    def _start(self) -> CommandStore:
        store = self.place.store()
        self.interrupted = self.loop.run_until_complete(store.recover())
        return store

    @rule(number=numbers, nonce=nonces, args=st.sampled_from(["a", "b"]))
    def send(self, number: int, nonce: int, args: str) -> None:
        command = replace(order(number), nonce=f"n-{nonce}", args_sha256=args * 64)
        assert self._answer(command) == self._expected(command)

    def _answer(self, command: VerifiedCommand) -> object:
        try:
            return self.loop.run_until_complete(self.store.accept(command, accepted(command)))
        except CommandError as error:
            return error.code

    def _expected(self, command: VerifiedCommand) -> object:
        known = self.commands.get(command.corr_id)
        if command.nonce in self.used or (known and known.args != command.args_sha256):
            return Code.REPLAY_DETECTED
        self.used.add(command.nonce)
        if known is None:
            self.commands[command.corr_id] = Command(command.args_sha256)
            return Accepted()
        return Stored(known.result) if known.result else InProgress()

    @rule(number=numbers)
    def finish(self, number: int) -> None:
        command, known = order(number), self.commands.get(f"c-{number}")
        self.runs += 1
        done = replace(result(command), data={"run": self.runs})
        finishing = self.store.finish(command.corr_id, done, finished(command))
        if known and known.result is None:
            self.loop.run_until_complete(finishing)
            known.result = done
        else:
            with pytest.raises(LookupError):
                self.loop.run_until_complete(finishing)

    @rule()
    def start_anew(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.store = self._start()
        running = {corr_id for corr_id, known in self.commands.items() if known.result is None}
        assert {found.corr_id for found in self.interrupted} == running
        for found in self.interrupted:
            assert found.error_code is Code.INTERRUPTED
            self.commands[found.corr_id].result = found

    @invariant()
    def results_are_kept(self) -> None:
        done = {corr_id: known.result for corr_id, known in self.commands.items() if known.result}
        spooled = self.loop.run_until_complete(self.store.unacknowledged())
        assert {found.corr_id: found for found in spooled} == done

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        if self.commands:
            log = log_of(self.place.log)
            anchors, findings = read_checkpoints(log.tokens(), {KEY.public.kid: KEY.public})
            verdict = verify_log(log.lines(), anchors)
            assert (findings, verdict.findings, verdict.covered) == ([], (), verdict.head.n)
        shutil.rmtree(self.directory)


TestLife = Life.TestCase
# Each step is a commit, and each example a store of its own.
TestLife.settings = settings(max_examples=min(settings().max_examples // 4, 1000), stateful_step_count=20)
