"""One round of the window's end with tasks at work, for the tests and for `scripts/soak_quit.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core.events import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services
from tests.support.waiting import until
from tests.support.window_program import WindowProcess

TASKS = {"io.agents-runner.container.kind": "task"}
BUILDS = {"io.agents-runner.container.kind": "build"}
MOST_S = 5.0
COUNT = """i=0
while :; do
    i=$((i+1)); echo "out $i"; echo "err $i" >&2
    if [ -e /workspace/go ]; then break; fi
    sleep 0.1
done
echo $i > /workspace/total-$AGENTS_RUNNER_TASK_ID
"""


@dataclass(frozen=True, kw_only=True)
class Quitting:
    """`home` has an environment called `environment` whose workspace is `workspace`."""

    home: Path
    workspace: Path
    environment: str
    engine: DockerEngine
    services: Services
    tasks: int = 10

    def prepare(self) -> None:
        (self.home / "settings.json").write_text(json.dumps({"version": 1, "max_running_tasks": self.tasks}))
        for path in self.workspace.iterdir():
            path.unlink()

    def start(self, window: WindowProcess) -> None:
        for _ in range(self.tasks):
            window.order("run", environment=self.services.environments.get(self.environment).id, prompt=COUNT)
        window.order("wait", running=self.tasks)

    def closed(self, window: WindowProcess, answer: str = "") -> float:
        """Close it; the seconds that took. Nothing may be said and the status is 0."""
        seconds, status, err = window.close(answer)
        assert (status, err) == (0, ""), (status, err)
        assert seconds <= MOST_S
        return seconds

    def leave_and_follow(self) -> float:
        """Ten tasks are left and, by the next window, followed to their end; how long the closing took."""
        self.prepare()
        before = {task.id for task in self.services.tasks.list()}
        with WindowProcess(self.home) as window:
            self.start(window)
            seconds = self.closed(window, "leave")
        assert len(self.engine.list_containers(TASKS, running_only=True)) == self.tasks
        with WindowProcess(self.home) as window:
            window.order("wait", running=self.tasks)
            (self.workspace / "go").touch()
            window.order("wait", running=0)
            self.closed(window)
        mine = [task for task in self.services.tasks.list() if task.id not in before]
        assert len(mine) == self.tasks
        for task in mine:
            assert (task.state, task.error) == (TaskState.SUCCEEDED, "")
            total = int((self.workspace / f"total-{task.id}").read_text())
            log = self.services.tasks.log(task.id)
            for stream, word in (("stdout", "out"), ("stderr", "err")):
                seen = [line for which, line in log if which == stream]
                assert seen == [f"{word} {number}" for number in range(1, total + 1)], task.id
        assert self.engine.list_containers(TASKS) == []
        return seconds

    def stop(self) -> float:
        """Ten tasks are stopped by closing the window; how long that took."""
        self.prepare()
        before = {task.id for task in self.services.tasks.list()}
        with WindowProcess(self.home) as window:
            self.start(window)
            seconds = self.closed(window, "stop")
        mine = [task for task in self.services.tasks.list() if task.id not in before]
        assert [task.state for task in mine] == [TaskState.CANCELLED] * self.tasks
        until(lambda: self.engine.list_containers(TASKS) == [], timeout=20)
        return seconds
