"""Test preflight: both scripts as a task would run them, without an agent, for one environment or for all."""

from __future__ import annotations

from agents_runner.core.environment import Environment
from agents_runner.core.task import Task, TaskKind
from agents_runner.runner.services import TaskRequest

NO_AGENT = ""
"""What a test's record has in place of an agent."""
AS_A_TASK = "Test preflight, as a task would run it"
FRESH = "Test preflight, without cached layers"


def preflight_test(environment: Environment, *, fresh: bool = False) -> TaskRequest:
    """A test of one environment. `fresh`: from the base image; else as a task, with cached layers."""
    return _test(environment.id, TaskKind.FRESH_TEST if fresh else TaskKind.TEST)


def request_again(task: Task, prompt: str) -> TaskRequest:
    """The same once more, be it a task (with its whole prompt) or a test."""
    if task.kind.is_test:
        return _test(task.environment_id, task.kind)
    return TaskRequest(environment_id=task.environment_id, prompt=prompt, agent=task.agent)


def _test(environment_id: str, kind: TaskKind) -> TaskRequest:
    sentence = FRESH if kind is TaskKind.FRESH_TEST else AS_A_TASK
    return TaskRequest(environment_id=environment_id, prompt=sentence, kind=kind)


def has_scripts(environment: Environment) -> bool:
    """True if anything would run before the agent."""
    scripts = (environment.cached_preflight_script, environment.run_preflight_script)
    return environment.preflight_enabled and any(script.strip() for script in scripts)
