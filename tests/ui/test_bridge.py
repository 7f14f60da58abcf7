"""From the tasks' threads to the window: a flood waits for it, the window itself never waits, nothing is lost."""

from __future__ import annotations

import threading

from pytestqt.qtbot import QtBot

from agents_runner.core.events import Event, LogLine
from agents_runner.ui.bridge import LIMIT, Bridge


def line(number: int) -> Event:
    return LogLine(stream="stdout", line=str(number))


def test_l2_a_flood_waits_for_the_window_and_arrives_whole(qtbot: QtBot) -> None:
    bridge = Bridge()
    got: list[tuple[str, Event]] = []
    ahead = [0]
    sent = [0]

    def take(batch: list[tuple[str, Event]]) -> None:
        got.extend(batch)
        ahead[0] = max(ahead[0], sent[0] - len(got))

    def flood() -> None:
        for number in range(3 * LIMIT):
            bridge.listener("t", (line(number),))
            sent[0] = number + 1

    bridge.events.connect(take)
    writer = threading.Thread(target=flood)
    writer.start()
    qtbot.waitUntil(lambda: len(got) == 3 * LIMIT, timeout=60_000)
    writer.join()
    assert got == [("t", line(number)) for number in range(3 * LIMIT)]
    assert ahead[0] <= LIMIT


def test_l2_the_windows_own_thread_never_waits_for_itself(qtbot: QtBot) -> None:
    bridge = Bridge()
    got: list[object] = []
    bridge.events.connect(got.extend)
    for number in range(LIMIT + 100):
        bridge.listener("t", (line(number),))
    qtbot.waitUntil(lambda: len(got) == LIMIT + 100, timeout=60_000)


def test_l2_a_window_that_is_gone_holds_nobody(qtbot: QtBot) -> None:
    bridge = Bridge()
    for number in range(LIMIT):
        bridge.listener("t", (line(number),))
    writer = threading.Thread(target=bridge.listener, args=("t", (line(0),)))
    writer.start()
    bridge.close()
    writer.join(10)
    assert not writer.is_alive()
