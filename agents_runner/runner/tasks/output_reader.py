"""The launcher's marks in a task's output: phases begin and end, and what went wrong is remembered for the end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from agents_runner.containers.session import WAITED
from agents_runner.core.errors import AgentError, StageFailed
from agents_runner.core.events import Event, LogLine, Notice, Phase, StateChanged, TaskState
from agents_runner.launcher.protocol import NEEDS_ROOT, Mark, clocked
from agents_runner.runner.tasks.exit_messages import stage_failed
from agents_runner.runner.tasks.phases import PhaseClock
from agents_runner.runner.tasks.task_screen import DESKTOP_PHASES, TaskScreen


@dataclass(kw_only=True)
class OutputReader:
    """Makes events of one container's lines and marks."""

    phases: PhaseClock
    screen: TaskScreen
    install_hint: str = ""
    """What to do where the agent's program is missing."""
    failed: StageFailed | AgentError | None = None
    """Why the task fails, as far as its output has said so."""
    home: str = "/root"
    """The home folder of the person inside the container."""
    _state_told: bool = False
    _wanted_root: set[str] = field(default_factory=set)
    """Programs of ours that the agent's side named once already: it may say so as often as it likes."""

    def events(self, item: LogLine | Mark) -> Generator[Event, None, None]:
        """What a line or a mark stands for."""
        if isinstance(item, LogLine):
            self.phases.tail.append(item.line)
            yield item
        else:
            yield from self._marked(item)

    def _marked(self, mark: Mark) -> Generator[Event, None, None]:
        match mark.word:
            case "begin":
                words, clock = clocked(mark)
                yield from self._phase_begins(Phase(words[0]), clock)
            case "end":
                (phase, status, *_), clock = clocked(mark)
                yield from self._phase_ends(Phase(phase), int(status), clock)
            case "agent-missing":
                self.failed = AgentError(f"The program {mark.rest} is not in the image.", self.install_hint)
            case "error":
                self.failed = AgentError(mark.rest)
            case "home":
                self.home = mark.rest
            case "note":
                yield Notice(message=mark.rest)
            case "lost-exports":
                yield Notice(
                    message="A preflight script replaced its shell (exec), so what it exported is lost.",
                    hint="Start the last program without exec.",
                )
            case _ if mark.word == WAITED:
                yield Notice(message="The task waited for the application to send its secrets; it goes on now.")
            case _ if mark.word == NEEDS_ROOT and mark.rest not in self._wanted_root:
                self._wanted_root.add(mark.rest)
                yield Notice(
                    message=f"The agent's {mark.rest} needs root, which the agent does not have.",
                    hint="Add what it wanted to the cached preflight, or choose the profile Sudo.",
                )

    def _phase_begins(self, phase: Phase, clock: float | None) -> Generator[Event, None, None]:
        if self.phases.now is Phase.START:
            yield self.phases.finish()
        if not self._state_told:
            # The first stage ends the start; the agent's own beginning is the state's last move.
            self._state_told = True
            yield StateChanged(state=TaskState.RUNNING)
        yield self.phases.begin(phase, clock)

    def _phase_ends(self, phase: Phase, code: int, clock: float | None) -> Generator[Event, None, None]:
        of_screen = phase in DESKTOP_PHASES
        if code and not of_screen:
            self.failed = stage_failed(phase, code)
        yield self.phases.finish(ok=code == 0, clock=clock)
        if of_screen:
            yield from self.screen.stage_over(phase, code, self.phases.tail)
