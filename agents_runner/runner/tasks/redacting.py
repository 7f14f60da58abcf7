"""Masking secrets in everything that a task or a build says, before anybody keeps or shows it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from agents_runner.core.errors import AgentsRunnerError, BuildFailed, StageFailed
from agents_runner.core.events import AgentMessage, Event, LogLine, Notice, Progress, TaskResult
from agents_runner.core.redaction import MASK, Redactor
from agents_runner.launcher.protocol import CUT

T = TypeVar("T")


def redacted(events: Generator[Event, None, T], secrets: Iterable[str]) -> Generator[Event, None, T]:
    """The same events with every secret masked; errors that end them likewise. Returns what they return."""
    redactor = Redactor(secrets, glue=CUT)
    if not redactor:
        return (yield from events)
    try:
        while True:
            yield _event(next(events), redactor)
    except StopIteration as end:
        value: T = end.value
        return value
    except AgentsRunnerError as error:
        _mask_error(error, redactor)
        raise
    finally:
        events.close()


def withheld(events: Iterator[Event], reason: AgentsRunnerError) -> Iterator[Event]:
    """The events of a container whose secrets cannot be looked up now: any line might hold one, so none is shown."""
    yield Notice(message=f"What the container prints is not shown: {reason.message}", hint=reason.hint)
    for event in events:
        match event:
            case LogLine() if event.stream != "system":
                yield replace(event, line=MASK)
            case TaskResult():
                yield replace(event, tail=())
            case _:
                yield event


def _event(event: Event, redactor: Redactor) -> Event:
    text = redactor.text
    match event:
        case LogLine():
            return replace(event, line=redactor.line(event.stream, event.line))
        case Notice():
            return replace(event, message=text(event.message), hint=text(event.hint))
        case Progress() | AgentMessage():
            return replace(event, text=text(event.text))
        case TaskResult():
            tail = _lines(event.tail, redactor)
            return replace(event, error=text(event.error), hint=text(event.hint), tail=tail)
        case _:
            return event


def _lines(lines: tuple[str, ...], redactor: Redactor) -> tuple[str, ...]:
    """A script's last lines, which may hold a secret over two of them."""
    return tuple(redactor.line("tail", line) for line in lines)


def _mask_error(error: AgentsRunnerError, redactor: Redactor) -> None:
    error.message, error.hint = redactor.text(error.message), redactor.text(error.hint)
    error.args = (error.message,)
    if isinstance(error, BuildFailed | StageFailed):
        error.tail = _lines(error.tail, redactor)
