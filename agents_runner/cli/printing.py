"""What the command line prints: events and values as JSON, tables and lines for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from agents_runner.cli.streams import OutputLost
from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LayerDone,
    LogLine,
    Notice,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StateChanged,
    TaskResult,
)
from agents_runner.core.terminal import SafeLines, one_line, visible

if TYPE_CHECKING:
    from agents_runner.core.results import Problem


def echo(text: str = "", *, to: TextIO | None = None) -> None:
    """One text and a line's end; on a terminal whatever would command it is written out, in files it stays as it is.

    What the terminal's encoding cannot show is shown as a question mark.
    """
    stream = to or sys.stdout
    _write(stream, visible(text) if stream.isatty() else text)


class ContainerLines:
    """Prints what containers say: on a terminal with its colours and no other command, in files as it is."""

    def __init__(self) -> None:
        self._safe = SafeLines()

    def echo(self, stream: str, line: str) -> None:
        """One line of one of a container's streams, to standard output."""
        _write(sys.stdout, self._safe.line(stream, line) if sys.stdout.isatty() else line)


class EventPrinter(Protocol):
    """Prints what happens while it happens, for people or for programs."""

    def echo(self, event: Event) -> None:
        """Print what there is to print about one event. Raises OutputLost where standard output takes nothing."""
        ...


def event_printer(*, as_json: bool) -> EventPrinter:
    """What prints the events of one task, or of one build, to standard output."""
    return EventJson() if as_json else EventLines()


class EventLines:
    """Prints events for a person, a line for each that has one; `to` is where, standard output unless given."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to
        self._container = ContainerLines()

    def echo(self, event: Event) -> None:
        text = event_text(event)
        if text is None:
            return
        if isinstance(event, LogLine) and self._to is None:
            self._container.echo(event.stream, text)
        else:
            echo(text, to=self._to)


def _write(stream: TextIO, text: str) -> None:
    """Raises OutputLost where standard output takes nothing, BrokenPipeError where its reader has gone.

    What standard error does not take is nobody's business: there is no place left to say so.
    """
    try:
        try:
            stream.write(text + "\n")
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if stream is not sys.stderr:
            raise OutputLost(error.strerror or str(error)) from error


def echo_json(value: object) -> None:
    """One line of JSON, all in ASCII, so that it passes every pipe."""
    echo(json.dumps(value))


def error_json(error: AgentsRunnerError) -> dict[str, Any]:
    """An error as the promised JSON object; `field` only where one is to blame."""
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, InvalidInput) and error.field:
        body["field"] = error.field
    return {"error": body}


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem with one of our own files as the promised JSON object."""
    return {"problem": {"path": problem.path, "message": problem.message, "hint": problem.hint}}


class EventJson:
    """Events as the promised JSON objects; remembers the phases for the closing `result`."""

    def __init__(self) -> None:
        self._phases: dict[str, float] = {}

    def echo(self, event: Event) -> None:
        """Print the event's object, if it has one, as one line."""
        value = self.of(event)
        if value is not None:
            echo_json(value)

    def of(self, event: Event) -> dict[str, Any] | None:  # noqa: PLR0911 - one case an event
        """The object for one event, None for events that have none."""
        match event:
            case PhaseStarted():
                return {"event": "phase", "phase": event.phase, "state": "started", "seconds": None, "cache": None}
            case PhaseFinished():
                self._phases[event.phase] = round(event.seconds, 6)
                return {
                    "event": "phase",
                    "phase": event.phase,
                    "state": "finished" if event.ok else "failed",
                    "seconds": round(event.seconds, 6),
                    "cache": event.cache,
                }
            case LogLine():
                return {"event": "log", "stream": event.stream, "line": event.line}
            case Notice():
                return {"event": "notice", "message": event.message, "hint": event.hint}
            case Progress():
                return {
                    "event": "progress",
                    "phase": event.phase,
                    "text": event.text,
                    "done": event.done,
                    "total": event.total,
                }
            case AgentMessage():
                return {"event": "agent", "kind": event.kind, "text": event.text}
            case StateChanged():
                return {"event": "state", "state": event.state}
            case LayerDone():
                return {"event": "layer", **layer_json(event)}
            case TaskResult():
                return self._result(event)

    def _result(self, event: TaskResult) -> dict[str, Any]:
        result: dict[str, Any] = {
            "event": "result",
            "task": event.task,
            "state": event.state,
            "exit_code": event.exit_code,
            "image": event.image,
            "phases": self._phases,
        }
        if event.error:
            result |= {"error": event.error, "hint": event.hint, "tail": list(event.tail)}
        return result


def layer_json(layer: LayerDone) -> dict[str, Any]:
    """A layer that is done as the promised JSON object, with seconds."""
    return {
        "kind": layer.kind,
        "step": layer.step,
        "tag": layer.tag,
        "result": layer.result,
        "seconds": round(layer.seconds, 6),
    }


def event_text(event: Event) -> str | None:
    """One event for a person; None for what needs no line."""
    match event:
        case PhaseFinished():
            cache = f" ({event.cache})" if event.cache else ""
            return f"-- {event.phase}: {'' if event.ok else 'failed, '}{event.seconds:.2f} s{cache}"
        case LogLine():
            return event.line
        case Notice():
            return f"!! {event.text}"
        case LayerDone():
            return f"-- layer {event.tag}: {event.result}"
        case Progress():
            return f"-- {event.text}"
        case _:
            return None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, a line under the head; a cell's line ends are written out."""
    lines = [list(head), *[[one_line(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])
