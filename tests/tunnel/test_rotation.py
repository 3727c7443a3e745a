"""A rotation is what its files say, wherever it was cut short."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from warren._core import PrivateKey, PublicKey
from warren.errors import StateError
from warren.tunnel.rotation import FileStep, KeyFiles, Stage, Step, is_confirmed, plan_rotation
from warren.tunnel.status import PeerStatus

from .strategies import PUBLIC_KEYS

pytestmark = pytest.mark.unit

OLD, NEW = PUBLIC_KEYS[:2]
STEADY, PREPARED, COMMITTED = KeyFiles(OLD), KeyFiles(OLD, next=NEW), KeyFiles(NEW, previous=OLD)
CUT_SHORT = KeyFiles(OLD, next=NEW, previous=OLD)  # killed between keeping the old key and the switch


def done(step: FileStep, files: KeyFiles, made: PublicKey = NEW) -> KeyFiles:
    """What a directory is after one step."""
    match step:
        case FileStep.CREATE_NEXT:
            assert files.next is None
            return replace(files, next=made)
        case FileStep.REMOVE_NEXT:
            return replace(files, next=None)
        case FileStep.LINK_PREVIOUS:
            assert files.previous is None
            return replace(files, previous=files.current)
        case FileStep.SWITCH:
            assert files.next is not None
            return KeyFiles(files.next, previous=files.previous)
        case FileStep.RESTORE_PREVIOUS:
            assert files.previous is not None
            assert files.previous != files.current  # for rename(2) does nothing between two names of one file
            return replace(files, current=files.previous, previous=None)
        case FileStep.REMOVE_PREVIOUS:
            return replace(files, previous=None)


def after(step: Step, files: KeyFiles) -> KeyFiles:
    for each in plan_rotation(step, files):
        files = done(each, files)
    return files


@pytest.mark.parametrize(
    ("files", "stage"),
    [
        (STEADY, Stage.STEADY),
        (PREPARED, Stage.PREPARED),
        (COMMITTED, Stage.COMMITTED),
        (CUT_SHORT, Stage.PREPARED),
        (replace(STEADY, previous=OLD), Stage.STEADY),
    ],
)
def test_the_files_say_how_far_it_is(files: KeyFiles, stage: Stage) -> None:
    assert files.stage is stage
    assert after(Step.RECOVER, files).stage is stage


@pytest.mark.parametrize(
    ("files", "step", "outcome"),
    [
        (STEADY, Step.PREPARE, PREPARED),
        (PREPARED, Step.PREPARE, PREPARED),
        (PREPARED, Step.COMMIT, COMMITTED),
        (CUT_SHORT, Step.COMMIT, COMMITTED),
        (COMMITTED, Step.COMMIT, COMMITTED),
        (COMMITTED, Step.CONFIRM, KeyFiles(NEW)),
        (STEADY, Step.CONFIRM, STEADY),
        (PREPARED, Step.ABORT, STEADY),
        (CUT_SHORT, Step.ABORT, STEADY),
        (COMMITTED, Step.ABORT, STEADY),
        (CUT_SHORT, Step.RECOVER, PREPARED),
    ],
)
def test_each_step(files: KeyFiles, step: Step, outcome: KeyFiles) -> None:
    assert after(step, files) == outcome


@pytest.mark.parametrize(
    ("files", "step", "problem"),
    [
        (STEADY, Step.COMMIT, "no new key is prepared: there is nothing to commit"),
        (STEADY, Step.ABORT, "no new key is prepared: there is nothing to abort"),
        (COMMITTED, Step.PREPARE, "no handshake has confirmed it yet"),
    ],
)
def test_a_step_that_cannot_be(files: KeyFiles, step: Step, problem: str) -> None:
    with pytest.raises(StateError, match=problem) as error:
        plan_rotation(step, files)
    assert error.value.code == "rotation.invalid_step"


class Interrupted(RuleBasedStateMachine):
    """Requests in any order, each cut short anywhere."""

    @initialize()
    def begin(self) -> None:
        self.files = KeyFiles(PrivateKey.generate().public_key())
        self.told = {self.files.current}
        """The keys that the far side may know: what was in use, and what `prepare` has answered."""

    @rule(step=st.sampled_from(Step), cut_after=st.integers(0, 4))
    def asked(self, step: Step, cut_after: int) -> None:
        try:
            steps = plan_rotation(step, self.files)
        except StateError:
            return
        for file_step in steps[:cut_after]:
            self.files = done(file_step, self.files, PrivateKey.generate().public_key())
        if step is Step.PREPARE and cut_after >= len(steps):
            assert self.files.next is not None
            self.told.add(self.files.next)

    @rule()
    def it_can_be_brought_to_an_end(self) -> None:
        assert after(Step.CONFIRM, self.files).previous is None
        if self.files.stage is not Stage.STEADY:
            assert after(Step.ABORT, self.files).stage is Stage.STEADY
            assert after(Step.COMMIT, self.files).stage is Stage.COMMITTED

    @invariant()
    def going_back_leads_to_a_key_that_was_in_use(self) -> None:
        if self.files.stage is Stage.COMMITTED:
            assert self.files.previous in self.told


TestInterrupted = Interrupted.TestCase
TestInterrupted.settings = settings(max_examples=min(settings().max_examples, 5000))


def test_the_first_handshake_after_the_switch_confirms() -> None:
    switched = [PeerStatus(OLD, latest_handshake=100.0), PeerStatus(NEW)]
    assert not is_confirmed(switched, switched)
    assert not is_confirmed(switched, [PeerStatus(OLD), PeerStatus(NEW)])
    assert is_confirmed(switched, [switched[0], PeerStatus(NEW, latest_handshake=90.0)])  # the wall clock was set back
    assert is_confirmed(switched, [PeerStatus(OLD, latest_handshake=100.5), switched[1]])
