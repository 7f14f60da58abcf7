"""What was wrong with files of ours, remembered until somebody tells the person: a store's caller may not look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from agents_runner.core.results import Problem

MOST = 200
log = logging.getLogger(__name__)


class FoundProblems:
    """Each problem once, in the order in which they were found. Safe from every thread."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._lock = threading.Lock()

    def add(self, problems: Iterable[Problem]) -> None:
        """Remember them, and write those that are new to the log."""
        for problem in problems:
            with self._lock:
                new = problem not in self._found and len(self._found) < MOST
                if new:
                    self._found[problem] = None
            if new:
                log.warning("%s %s", problem.message, problem.hint)

    def all(self) -> tuple[Problem, ...]:
        with self._lock:
            return tuple(self._found)
