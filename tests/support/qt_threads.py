"""Notes every call into a Qt object from a thread that it does not live in; Qt itself warns of few of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from PySide6.QtCore import QObject, QThread

SAFE = frozenset({"thread", "currentThread"})
"""Calls that Qt allows from every thread. `emit` belongs to a signal, which is no Qt object."""


@contextlib.contextmanager
def foreign_calls() -> Iterator[list[str]]:
    """The calls that threads begun from now on make, a text each; they are looked at by their profile hook."""
    found: list[str] = []

    def look(frame: FrameType, event: str, call: Any) -> None:
        if event != "c_call" or getattr(call, "__name__", "") in SAFE:
            return
        owner = getattr(call, "__self__", None)
        if isinstance(owner, QObject) and owner.thread() is not QThread.currentThread():
            found.append(f"{type(owner).__name__}.{call.__name__} at {frame.f_code.co_filename}:{frame.f_lineno}")

    before = threading.getprofile()
    threading.setprofile(look)
    try:
        yield found
    finally:
        threading.setprofile(before)  # type: ignore[arg-type]
