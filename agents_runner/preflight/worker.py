"""The analyzer as a program of its own (`python -m agents_runner.preflight.worker`): no window ever waits for it.

It answers requests from its standard input, one line each and in their order, and ends with that input.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, BinaryIO

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.scripts import check_script, normalise
from agents_runner.preflight.marks import propose_marks, with_marks
from agents_runner.preflight.messages import to_line
from agents_runner.preflight.split import SplitResult, dependents_of, needs_of, resplit, split
from agents_runner.preflight.validate import check

POLITE = 5
"""Added to its niceness: the window goes first where processors are few."""
log = logging.getLogger(__name__)


def answer_to(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request: `{"id", "ok": {...}}` or `{"id", "error": {"message", "hint"}}`."""
    number = request.get("id")
    try:
        return {"id": number, "ok": _ACTS[request["do"]](request)}
    except AgentsRunnerError as error:
        return {"id": number, "error": {"message": error.message, "hint": error.hint}}
    except Exception:
        # Top of the process: the next request finds it alive.
        log.exception("a request failed")
        return {"id": number, "error": {"message": "The analyzer could not read this script.", "hint": ""}}


def _check(request: Mapping[str, Any]) -> dict[str, Any]:
    check_script(request["text"], "")
    bash, shellcheck = (shutil.which(name) if request["programs"] else None for name in ("bash", "shellcheck"))
    found = check(
        request["text"],
        request["stage"],
        before=request["before"],
        available=request["available"],
        bash=bash,
        shellcheck=shellcheck,
    )
    return {
        "warnings": [[one.line, one.rule, one.message, one.hint] for one in found],
        "programs": [name for name, path in (("bash", bash), ("shellcheck", shellcheck)) if path],
    }


@lru_cache(maxsize=8)
def _result(text: str, available: tuple[str, ...], moves: tuple[tuple[int, Any], ...]) -> SplitResult:
    check_script(text, "")
    whole = split(normalise(text), available=available)
    return resplit(whole, dict(moves)) if moves else whole


def _of(request: Mapping[str, Any]) -> SplitResult:
    return _result(request["text"], tuple(request["available"]), tuple((at, stage) for at, stage in request["moves"]))


def _split(request: Mapping[str, Any]) -> dict[str, Any]:
    result = _of(request)
    marks = propose_marks(result)
    return {
        "cached": result.cached,
        "run": result.run,
        "marked": with_marks(result, marks),
        "marks": len(marks),
        "statements": [
            [s.start_line, s.end_line, s.text, s.stage, s.reason, s.certain, s.kind, s.moved]
            for s in result.statements
        ],
    }


def _ties(request: Mapping[str, Any]) -> dict[str, Any]:
    result, about = _of(request), int(request["about"])
    return {"dependents": dependents_of(result, about), "needs": needs_of(result, about)}


_ACTS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"check": _check, "split": _split, "ties": _ties}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end or nobody listens any more."""
    for line in requests:
        answers.write(to_line(answer_to(json.loads(line))))
        answers.flush()


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(POLITE)
    # Ctrl+C in the terminal is for the window, which then closes this process's input.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
