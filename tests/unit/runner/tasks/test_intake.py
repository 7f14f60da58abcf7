"""Where a task begins: what is refused leaves no record, and what is recorded is the whole plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.task import TaskKind
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.runner.services import TaskRequest
from agents_runner.runner.tasks.test_preflight import NO_AGENT
from tests.support.task_world import ENVIRONMENT, TaskWorld


class World(TaskWorld):
    """Its agents note with which arguments they are asked for."""

    def launch(self, name: str, args: tuple[str, ...]) -> AgentLaunch:
        if name == "nobody":
            raise InvalidInput("There is no such agent.", field="agent")
        return AgentLaunch(name=name, argv=(name, *args))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    changed = {"agent_args": ("--fast",), "cached_preflight_script": "true\n", "cache_container_build": True}
    made = World(tmp_path, ENVIRONMENT.model_copy(update=changed))
    yield made
    made.close()


def plan_of(world: World, request: TaskRequest) -> DockerRunnerConfig:
    return DockerRunnerConfig.model_validate_json(world.records.config(world.runner.intake.prepare(request).id))


@pytest.mark.parametrize(
    ("prompt", "agent", "change", "field"),
    [
        (" \n", "", {}, "prompt"),
        ("\ud800", "", {}, "prompt"),
        ("x", "nobody", {}, "agent"),
        ("x", "", {"secrets": ("KEY",)}, "secrets"),
        ("x", "", {"ports": ("no port",)}, "ports"),
    ],
)
def test_what_is_refused_leaves_no_record(
    world: World, prompt: str, agent: str, change: dict[str, object], field: str
) -> None:
    world.environment = world.environment.model_copy(update=change)
    with pytest.raises(AgentsRunnerError) as caught:
        world.runner.intake.prepare(TaskRequest(environment_id="e", prompt=prompt, agent=agent))
    assert getattr(caught.value, "field", "") == field
    assert world.records.list() == ()
    assert world.engine.calls.count("create") == 0


def test_the_prompt_is_kept_to_the_byte_and_shown_by_its_first_line(world: World) -> None:
    prompt = "\n  first line \r\n\tsecond \u2028 line\n"
    task = world.runner.intake.prepare(TaskRequest(environment_id="e", prompt=prompt))
    assert world.records.prompt(task.id) == prompt
    assert world.records.get(task.id).prompt.strip() == "first line"


@pytest.mark.parametrize(("agent", "argv"), [("", ("x", "--fast")), ("x", ("x", "--fast")), ("other", ("other",))])
def test_an_environment_s_arguments_are_its_own_agent_s(world: World, agent: str, argv: tuple[str, ...]) -> None:
    config = plan_of(world, TaskRequest(environment_id="e", prompt="x", agent=agent))
    assert config.agent is not None
    assert config.agent.argv == argv


@pytest.mark.parametrize(("kind", "cached"), [(TaskKind.TEST, True), (TaskKind.FRESH_TEST, False)])
def test_a_test_of_the_scripts_has_no_agent_and_a_fresh_one_no_caches(
    world: World, kind: TaskKind, cached: bool
) -> None:
    task = world.runner.intake.prepare(TaskRequest(environment_id="e", prompt="", kind=kind))
    config = DockerRunnerConfig.model_validate_json(world.records.config(task.id))
    assert (config.agent, config.kind, task.agent, task.kind) == (None, "test", NO_AGENT, kind)
    assert config.container_cache_enabled is cached
