"""What the window asks when it is closed over tasks that have not ended."""

from __future__ import annotations

from collections.abc import Sequence

from agents_runner.runner.services import ActiveTasks


def sentence(work: ActiveTasks, unsaved: Sequence[str]) -> str:
    count = len(work.running) + len(work.waiting)
    tasks = "1 task has not ended." if count == 1 else f"{count} tasks have not ended."
    return "\n".join([*_not_saved(unsaved), tasks])


def explanation(work: ActiveTasks) -> str:
    """What each answer does to the tasks."""
    going = []
    if work.running:
        going.append(
            f"{_count(work.running, 'goes', 'go')} on without this window. "
            "Its next start shows what happened meanwhile."
        )
    if work.waiting:
        going.append(
            f"{_count(work.waiting, 'has', 'have')} no container yet and "
            f"{'begins' if len(work.waiting) == 1 else 'begin'} at the next start. "
            "A build that runs goes on meanwhile."
        )
    return (
        f"Leave running: {' '.join(going)}\n\nStop them: the containers are removed and the tasks end as cancelled."
    )


def only_unsaved(unsaved: Sequence[str]) -> str:
    return "\n".join([*_not_saved(unsaved), "Close all the same?"])


def _not_saved(names: Sequence[str]) -> list[str]:
    return [f"Not saved: {', '.join(names)}."] if names else []


def _count(tasks: frozenset[str], one: str, many: str) -> str:
    return f"1 task {one}" if len(tasks) == 1 else f"{len(tasks)} tasks {many}"
