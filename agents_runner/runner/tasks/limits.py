"""Wall-clock limits of a running task: of its run preflight, and of everything since its container started."""

from __future__ import annotations

import time

from agents_runner.core.errors import StageFailed
from agents_runner.core.events import Phase
from agents_runner.core.task_plan import DockerRunnerConfig

LIMIT_EXIT = 124
"""The exit code of a task that ran into a limit, as `timeout` has it."""


class Limits:
    """Made when the container starts, or `age_s` seconds later by who resumes it; by the monotonic clock."""

    def __init__(self, config: DockerRunnerConfig, *, age_s: float = 0.0) -> None:
        self._config = config
        self._began = time.monotonic() - age_s
        self._stage_began: float | None = None

    def deadline(self, phase: Phase | None) -> float | None:
        """When the container has to be ended, now that this phase runs; None for never."""
        if phase is not Phase.RUN:
            self._stage_began = None
        elif self._stage_began is None:
            self._stage_began = time.monotonic()
        found = [one for one in (self._task_end(), self._stage_end()) if one is not None]
        return min(found, default=None)

    def excludes(self, seconds: float) -> None:
        """That long nothing ran: it counts for no limit."""
        self._began += seconds

    def error(self, phase: Phase | None) -> StageFailed:
        """What to say of the limit that is over."""
        task, stage = self._task_end(), self._stage_end()
        if phase is Phase.RUN and stage is not None and (task is None or stage <= task):
            return StageFailed(
                f"The run preflight took longer than its limit of {self._config.run_preflight_timeout_s} s.",
                "Raise run_preflight_timeout_s, or look for a command that waits for input.",
                status=LIMIT_EXIT,
            )
        return StageFailed(
            f"The task took longer than its limit of {self._config.task_timeout_s} s.",
            "Raise task_timeout_s, or give the agent less to do at once.",
            status=LIMIT_EXIT,
        )

    def _task_end(self) -> float | None:
        limit = self._config.task_timeout_s
        return self._began + limit if limit else None

    def _stage_end(self) -> float | None:
        limit = self._config.run_preflight_timeout_s
        return self._stage_began + limit if limit and self._stage_began is not None else None
