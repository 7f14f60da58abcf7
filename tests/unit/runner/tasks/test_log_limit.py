"""What is kept of a flood: its beginning up to the limit, the last lines of each phase, and how many are missing."""

from __future__ import annotations

from collections.abc import Iterator

from agents_runner.core.events import Event, LogLine, Notice, Phase, PhaseFinished, PhaseStarted
from agents_runner.runner.tasks.log_limit import LAST_CHARACTERS, LAST_LINES, MB, limited


def flood(count: int, text: str = "x" * 997) -> Iterator[Event]:
    """A thousand lines of this length, with what they are recorded with, are a MB."""
    yield PhaseStarted(phase=Phase.AGENT)
    for _ in range(count):
        yield LogLine(stream="stdout", line=text)
    yield PhaseFinished(phase=Phase.AGENT, seconds=1, ok=True)


def lines(events: list[Event]) -> int:
    return sum(isinstance(event, LogLine) for event in events)


def notices(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


def test_l3_what_stays_below_the_limit_passes_as_it_is() -> None:
    assert list(limited(flood(1000), 1)) == list(flood(1000))


def test_l3_past_the_limit_lines_are_counted_and_the_last_ones_kept() -> None:
    found = list(limited(flood(5000), 1))
    assert lines(found) == 1000 + LAST_LINES
    begins, counted = notices(found)
    assert "has printed 1 MB" in begins
    assert counted == "3,000 lines were dropped here."
    assert isinstance(found[-1], PhaseFinished)
    assert isinstance(found[-2], LogLine), "the last lines are told before their phase's end"


def test_l3_each_later_phase_has_its_last_lines() -> None:
    found = list(limited([*flood(2500), *flood(1)], 1))
    assert lines(found) == 1000 + LAST_LINES + 1
    assert len(notices(found)) == 2, "the beginning is said once, the first phase's count once"


def test_l3_long_last_lines_are_bounded_too() -> None:
    found = list(limited(flood(50, "y" * 65536), 1))
    kept = sum(len(event.line) for event in found if isinstance(event, LogLine))
    assert kept <= MB + LAST_CHARACTERS


def test_l3_what_is_recorded_already_counts() -> None:
    found = list(limited(flood(5), 1, already=MB))
    assert lines(found) == 5
    assert len(notices(found)) == 1


def test_l3_the_applications_own_lines_are_never_dropped() -> None:
    own = LogLine(stream="system", line="cloning")
    assert list(limited([own], 1, already=2 * MB)) == [own]
