"""One line that says what the next start of an environment will find."""

from __future__ import annotations

from agents_runner.core.environment import Environment
from agents_runner.core.errors import (
    AgentsRunnerError,
    EngineDenied,
    EngineTimeout,
    EngineTooNew,
    EngineTooOld,
    EngineUnreachable,
)
from agents_runner.runner.services import PlannedImage, Services
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.widgets import ElidedLabel, set_role


def plan_text(environment: Environment, planned: PlannedImage) -> str:
    """The plan in one sentence."""
    missing = sum(state == "miss" for state in planned.states)
    if planned.notice:
        return planned.notice
    if not environment.preflight_enabled:
        return "Next start: no scripts, straight from the base image."
    if not environment.cache_container_build and not planned.states:
        return "Next start: caching is off, both scripts run at task start."
    if not planned.states:
        return "Next start: nothing to bake, straight from the base image."
    if missing:
        count = len(planned.states)
        return f"Next start: will build {missing} of {count} layer{'s' if count > 1 else ''}."
    return f"Next start: cached image ready ({planned.plan.image})."


class PlanLine(ElidedLabel):
    """Asks for the plan off the window's thread; only the newest question is answered."""

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__(role="muted")
        self.setObjectName("env-plan")
        self._services = services
        self._questions = Latest(jobs)
        self._asked: Environment | None = None

    def show_plan(self, environment: Environment | None) -> None:
        """Of a saved environment; None: it is not saved yet."""
        known = environment is not None and self._asked == environment
        self._asked = environment
        if environment is None:
            self._say("Next start: shown once it is saved.")
            return
        if not known:
            self._say("Next start: looking at the cached images ...")
        self._questions.run(
            lambda: self._services.images.plan(environment),
            lambda planned: self._planned(environment, planned),
            lambda error: self._failed(environment, error),
        )

    def show_edited(self) -> None:
        """Of an environment that was changed and not saved: nobody knows yet."""
        self._asked = None
        # What waits to be asked is about values that are no longer shown.
        self._questions.forget()
        self._say("Not saved. Save to see what the next start does.")

    def _planned(self, environment: Environment, planned: PlannedImage) -> None:
        if environment is self._asked:
            ready = planned.hit and planned.states and not planned.notice
            self._say(plan_text(environment, planned), "good" if ready else "muted")

    def _failed(self, environment: Environment, error: AgentsRunnerError) -> None:
        if environment is self._asked:
            away = isinstance(error, EngineUnreachable | EngineDenied | EngineTooOld | EngineTooNew | EngineTimeout)
            # The banner at the top says why; twice is once too often.
            self._say("Next start: not known while the engine does not answer." if away else str(error))

    def _say(self, text: str, role: str = "muted") -> None:
        set_role(self, role)
        self.set_text(text)
