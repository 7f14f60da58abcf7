"""Where a task begins: a request is checked, planned and recorded, and nothing is started yet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from agents_runner.core.events import TaskState
from agents_runner.core.task import Task, TaskKind, new_task_id
from agents_runner.runner.ports import AgentsPort, EnvironmentLookup, HostsPort, SecretValuesPort
from agents_runner.runner.services import TaskRequest
from agents_runner.runner.tasks.plan_launch import check_prompt, plan_launch, without_caches
from agents_runner.runner.tasks.records import TaskRecords
from agents_runner.runner.tasks.test_preflight import NO_AGENT


@dataclass(frozen=True, kw_only=True)
class TaskIntake:
    """Makes recorded tasks of requests."""

    environments: EnvironmentLookup
    agents: AgentsPort
    hosts: HostsPort
    secrets: SecretValuesPort
    records: TaskRecords

    def prepare(self, request: TaskRequest) -> Task:
        """Check and record a task, without starting it. Raises InvalidInput at its field, NotFound, StoreError."""
        environment = self.environments.get(request.environment_id)
        is_test = request.kind.is_test
        if not is_test:
            check_prompt(request.prompt)
        name = NO_AGENT if is_test else request.agent or environment.agent
        args = environment.agent_args if name == environment.agent else ()
        launch = None if is_test else self.agents.launch(name, args)
        task_id = new_task_id()
        host = self.hosts.host()
        plan_kind: Literal["task", "test"] = "test" if is_test else "task"
        config = plan_launch(environment, task_id=task_id, agent=launch, host=host, kind=plan_kind)
        if request.kind is TaskKind.FRESH_TEST:
            config = without_caches(config)
        # Only whether they are there: the values are looked up once more when it begins.
        self.secrets.values_of(environment.id, config.secrets)
        task = Task(
            id=task_id,
            environment_id=environment.id,
            environment_name=environment.name,
            agent=name,
            prompt=request.prompt.strip().split("\n", 1)[0][:200],
            state=TaskState.QUEUED,
            created=time.time(),
            kind=request.kind,
            profile=environment.profile,
        )
        self.records.create(task, prompt=request.prompt, config_json=config.model_dump_json())
        return task
