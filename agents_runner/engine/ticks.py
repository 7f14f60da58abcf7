"""Reads a source that may be silent for long on a thread of its own, so that its reader can look around meanwhile."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

TICK = 0.1
"""Seconds of silence after which a stream yields nothing, so that its reader can look around."""
_QUEUED = 256
T = TypeVar("T")


def with_ticks(source: Iterable[T], close: Callable[[], None]) -> Generator[T | None, None, None]:
    """The source's items, read on a thread of their own; None for each `TICK` of silence.

    Ends with the source; an error of the source is raised here. Leaving early calls `close`.
    """
    items: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(_QUEUED)
    left = threading.Event()

    def put(kind: str, value: T | BaseException | None) -> None:
        while not left.is_set():
            with contextlib.suppress(queue.Full):
                items.put((kind, value), timeout=TICK)
                return

    def read() -> None:
        try:
            for item in source:
                put("item", item)
                if left.is_set():
                    return
            put("end", None)
        except Exception as error:  # noqa: BLE001 - top of a thread: handed to the reader
            put("error", error)

    threading.Thread(target=read, name="engine-stream", daemon=True).start()
    try:
        while True:
            try:
                kind, value = items.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if kind == "end":
                return
            if isinstance(value, BaseException):
                raise value
            yield value
    finally:
        left.set()
        close()
