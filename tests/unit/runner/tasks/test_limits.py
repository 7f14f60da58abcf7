"""Limits as values: which one is over first, by a clock that nobody can turn back."""

from __future__ import annotations

import time

import pytest

from agents_runner.core.environment import NoWorkspace
from agents_runner.core.events import Phase
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.runner.tasks.limits import Limits

CONFIG = DockerRunnerConfig(
    task_id="t", environment_id="e", environment_name="E", base_image="base:1", workspace=NoWorkspace(),
    uid=0, gid=0, agent=None, token="feed",
)  # fmt: skip


class Clock:
    """Stands still until it is moved; the wall clock jumps about meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: -self.now * 3600)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def limits(*, run: int = 0, task: int = 0) -> Limits:
    return Limits(CONFIG.model_copy(update={"run_preflight_timeout_s": run, "task_timeout_s": task}))


def test_f14_no_limit_is_no_deadline(clock: Clock) -> None:
    made = limits()
    assert [made.deadline(phase) for phase in (None, Phase.START, Phase.RUN, Phase.AGENT)] == [None] * 4


def test_f17_limits_are_by_the_monotonic_clock(clock: Clock) -> None:
    made = limits(run=10, task=100)
    assert made.deadline(Phase.START) == 1100
    clock.now = 1005
    assert made.deadline(Phase.RUN) == 1015
    clock.now = 1012
    assert made.deadline(Phase.RUN) == 1015
    assert made.deadline(Phase.AGENT) == 1100


def test_f14_the_limit_that_is_over_first_is_named(clock: Clock) -> None:
    made = limits(run=10, task=100)
    made.deadline(Phase.RUN)
    assert made.error(Phase.RUN).message == "The run preflight took longer than its limit of 10 s."
    short = limits(run=10, task=5)
    assert short.deadline(Phase.RUN) == 1005
    assert short.error(Phase.RUN).message == "The task took longer than its limit of 5 s."
    assert Limits(CONFIG.model_copy(update={"task_timeout_s": 100}), age_s=30).deadline(Phase.AGENT) == 1070
    assert made.error(Phase.AGENT).status == 124
