"""`run` and `tasks list | show | logs | stop`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents_runner.cli.environment_commands import profile_offer
from agents_runner.cli.printing import ContainerLines, echo, echo_json, event_printer, table
from agents_runner.cli.reading import read_input
from agents_runner.cli.reply import Reply
from agents_runner.core.errors import InvalidInput
from agents_runner.core.events import Event, TaskResult
from agents_runner.core.task import Task
from agents_runner.runner.event_queue import BoundedQueue
from agents_runner.runner.services import Services, TaskRequest

_POLL_S = 0.2


def _prompt(text: str) -> str:
    if text != "-":
        return text
    data = read_input("prompt")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The prompt is not UTF-8 text (byte {error.start}).", "Convert it first.", field="prompt"
        ) from error


def run(services: Services, args: argparse.Namespace) -> Reply | int:
    """Run a task to its end and exit as its agent did, or leave it to a process of its own with `--detach`."""
    environment = services.environments.get(args.environment)
    for line in profile_offer(environment):
        echo(line, to=sys.stderr)
    request = TaskRequest(environment_id=environment.id, prompt=_prompt(args.prompt), agent=args.agent)
    if args.detach:
        task = services.runner.detach(request)
        return Reply(json={"task": task.id, "state": task.state}, text=task.id)
    return follow(services, request, as_json=args.json)


def follow(services: Services, request: TaskRequest, *, as_json: bool) -> int:
    """Run a task and print what happens; returns its exit code."""
    with _listening(services) as events:
        task = services.runner.submit(request)
        return _shown(services, task.id, events, as_json=as_json)


def work(services: Services, args: argparse.Namespace) -> int:
    """Run a task that was recorded by `run --detach`, without printing."""
    with _listening(services) as events:
        services.runner.start_recorded(args.id)
        while not isinstance(event := events.get(), TaskResult):
            pass
    return event.exit_code


@contextmanager
def _listening(services: Services) -> Iterator[BoundedQueue[Event]]:
    queue: BoundedQueue[Event] = BoundedQueue()

    def listener(_task: str, batch: tuple[Event, ...]) -> None:
        queue.put(batch)

    stop = services.runner.subscribe(listener)
    try:
        yield queue
    finally:
        stop()
        queue.close()


def _shown(services: Services, task_id: str, events: BoundedQueue[Event], *, as_json: bool) -> int:
    """Print events until the result; the first Ctrl-C stops the task, a second ends at once."""
    printer = event_printer(as_json=as_json)
    with _stopping(services, task_id):
        while True:
            event = events.get()
            printer.echo(event)
            if isinstance(event, TaskResult):
                if not as_json:
                    _echo_result(event)
                return event.exit_code


@contextmanager
def _stopping(services: Services, task_id: str) -> Iterator[None]:
    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        services.runner.stop(task_id)

    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _echo_result(result: TaskResult) -> None:
    echo(f"== task {result.task}: {result.state}, exit code {result.exit_code}")
    if result.error:
        for line in result.tail[-5:]:
            echo(f"   | {line}")
        echo(f"!! {result.error} {result.hint}".rstrip(), to=sys.stderr)


def task_json(task: Task) -> dict[str, Any]:
    """A task as the promised JSON object; times in seconds since the epoch, phases in seconds."""
    return {
        "id": task.id,
        "environment": task.environment_name,
        "environment_id": task.environment_id,
        "kind": task.kind,
        "profile": task.profile or None,
        "agent": task.agent,
        "prompt": task.prompt,
        "state": task.state,
        "created": task.created,
        "started": task.started,
        "finished": task.finished,
        "exit_code": task.exit_code,
        "image": task.image,
        "error": task.error,
        "hint": task.hint,
        "notices": list(task.notices),
        "phases": {record.phase: _rounded(record.seconds) for record in task.phases},
        "cache": {record.phase: record.cache for record in task.phases if record.cache},
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def list_(services: Services, _args: argparse.Namespace) -> Reply:
    """List the newest tasks."""
    tasks = services.tasks.list()
    rows = [(task.id, task.state, task.environment_name, task.agent, task.prompt[:60]) for task in tasks]
    return Reply(
        json=[task_json(task) for task in tasks],
        text=table(("id", "state", "environment", "agent", "prompt"), rows) if rows else "No tasks yet.",
    )


def show(services: Services, args: argparse.Namespace) -> Reply:
    """Show one task and how long its phases took. Raises NotFound."""
    task = services.tasks.get(args.id)
    fields = task_json(task)
    lines = [
        f"{name}: {value}"
        for name, value in fields.items()
        if name not in ("phases", "cache") and value not in (None, "", [])
    ]
    for record in task.phases:
        seconds = "running" if record.seconds is None else f"{record.seconds:.2f} s"
        lines.append(f"  {record.phase:17} {seconds}{f' ({record.cache})' if record.cache else ''}")
    return Reply(json=fields, text="\n".join(lines))


def logs(services: Services, args: argparse.Namespace) -> int:
    """Print the log as far as it goes, or with `--follow` until the task ends."""
    task = services.tasks.get(args.id)
    position, printed = 0, ContainerLines()
    while True:
        # Asked first: lines that come between the two looks are printed by the next round.
        over = services.tasks.get(task.id).state.final
        lines, position = services.tasks.log_from(task.id, position)
        for stream, line in lines:
            if args.json:
                echo_json({"event": "log", "stream": stream, "line": line})
            else:
                printed.echo(stream, line)
        if lines:
            continue  # a long log comes in parts
        if over or not args.follow:
            return 0
        services.system.wait(_POLL_S)


def stop(services: Services, args: argparse.Namespace) -> Reply:
    """Stop a task and wait until it has ended. Raises NotFound."""
    task = services.tasks.get(args.id)
    if not task.state.final:
        services.runner.stop(task.id)
        while not (task := services.tasks.get(task.id)).state.final:
            services.system.wait(_POLL_S)
    return Reply(json=task_json(task), text=f"{task.id}: {task.state}")


def desktop(services: Services, args: argparse.Namespace) -> Reply:
    """Say the address of a running task's desktop. Raises NoDesktop, NotFound."""
    found = services.desktop.address(args.id, view_only=args.view_only)
    return Reply(json={"task": found.task, "url": found.url, "view_only": found.view_only}, text=found.url)


def screenshot(services: Services, args: argparse.Namespace) -> Reply:
    """Write a picture of a task's desktop into a file. Raises NoDesktop, NotFound, InvalidInput."""
    picture = services.desktop.picture(args.id)
    path = Path(args.file)
    try:
        path.write_bytes(picture.data)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another file.") from error
    return Reply(
        json={"file": str(path), "bytes": len(picture.data), "live": picture.live},
        text=f"{path}: {'the screen now' if picture.live else 'the last picture before the task ended'}",
    )
