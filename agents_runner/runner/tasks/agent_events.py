"""An agent's JSON event stream in words, beside the raw lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agents_runner.agents.streams import read_event
from agents_runner.core.events import AgentMessage, Event, LogLine, Phase, PhaseStarted


def with_agent_messages(events: Iterable[Event], agent: str) -> Iterator[Event]:
    """The events, and behind each line that the agent printed what it means."""
    speaking = False
    for event in events:
        yield event
        if isinstance(event, PhaseStarted):
            speaking = event.phase is Phase.AGENT
        elif speaking and isinstance(event, LogLine) and event.stream == "stdout":
            yield from read_event(agent, event.line)


def messages_in(agent: str, lines: Iterable[tuple[str, str]]) -> list[AgentMessage]:
    """What an agent said, from the (stream, line) pairs of a task's log."""
    return [message for stream, line in lines if stream == "stdout" for message in read_event(agent, line)]
