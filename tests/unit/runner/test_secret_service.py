"""Secrets of environments as use cases: values come and go with their names and environments."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.secrets import SecretUse
from agents_runner.engine.fake import FakeEngine
from agents_runner.runner.environment_service import EnvironmentService
from agents_runner.runner.machine import HostSource
from agents_runner.runner.secret_service import SecretReader, SecretService
from agents_runner.runner.settings_service import AgentCatalogue, SettingsService
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.paths import Paths
from agents_runner.store.settings import SettingsStore


@dataclass
class Values:
    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    problem: StoreError | None = None

    def get(self, environment_id: str, name: str) -> str | None:
        return self.kept.get((environment_id, name))

    def set(self, environment_id: str, name: str, value: str) -> None:
        if self.problem:
            raise self.problem
        self.kept[environment_id, name] = value

    def delete(self, environment_id: str, name: str) -> None:
        if self.problem:
            raise self.problem
        self.kept.pop((environment_id, name), None)


class Heard:
    """See `SaveListener`."""

    def saved(self, environment: Environment) -> None:
        pass


@dataclass
class World:
    values: Values
    environments: EnvironmentService
    secrets: SecretService


@pytest.fixture
def world(tmp_path: Path) -> World:
    values = Values()
    store = EnvironmentStore(paths=Paths(config=tmp_path, data=tmp_path).ensure())
    settings = SettingsService(file=SettingsStore(paths=store.paths))
    environments = EnvironmentService(
        files=store,
        values=values,
        hosts=HostSource(state_dir=tmp_path, instance="", engine=FakeEngine, settings=settings),
        agents=AgentCatalogue(settings=settings),
        listener=Heard(),
    )
    environments.save(Environment(id="e", name="E", env_vars={"TAKEN": "1"}))
    return World(values, environments, SecretService(environments=environments, values=values))


def test_s1_a_value_is_set_listed_and_deleted(world: World) -> None:
    world.secrets.set("E", "A", "value-a", SecretUse(stages=("build",)))
    world.secrets.set("E", "B", "value-b")
    world.secrets.set("E", "A", "value-a2")
    saved = world.environments.get("e")
    assert saved.secrets == ("A", "B")
    assert [(one.name, one.stages, one.has_value) for one in world.secrets.list("E")] == [
        ("A", ("build",), True),
        ("B", ("run", "agent"), True),
    ]
    assert SecretReader(values=world.values).values_of("e", saved.secret_grants)["A"] == "value-a2"
    assert "value-" not in "".join(path.read_text() for path in world.environments.files.paths.environments.iterdir())  # type: ignore[attr-defined]
    world.secrets.delete("E", "A")
    assert world.environments.get("e").secrets == ("B",)
    assert list(world.values.kept) == [("e", "B")]
    with pytest.raises(NotFound, match="no secret 'A'"):
        world.secrets.delete("E", "A")


def test_s1_a_secret_without_a_value_is_one_clear_sentence(world: World) -> None:
    world.environments.save(Environment(id="e", name="E", secrets=("GONE",)))
    assert not world.secrets.list("E")[0].has_value
    with pytest.raises(InvalidInput) as raised:
        SecretReader(values=world.values).values_of("e", world.environments.get("e").secret_grants)
    assert raised.value.message == "The secret GONE has no value."
    assert "env secret set e GONE" in raised.value.hint
    assert raised.value.field == "secrets"


def test_s1_values_go_with_their_names_and_their_environment(world: World) -> None:
    for name in ("A", "B"):
        world.secrets.set("E", name, "value")
    world.environments.save(world.environments.get("e").model_copy(update={"secrets": ("B",)}))
    assert list(world.values.kept) == [("e", "B")]
    world.environments.delete("e")
    assert world.values.kept == {}


def test_s1_an_environment_can_be_deleted_while_the_keyring_is_away(world: World) -> None:
    world.secrets.set("E", "A", "value")
    world.values.problem = StoreError("away")
    world.environments.delete("e")
    with pytest.raises(NotFound):
        world.environments.get("e")


def test_s1_what_is_not_kept_is_not_named(world: World) -> None:
    world.values.problem = StoreError("away")
    with pytest.raises(StoreError):
        world.secrets.set("E", "A", "value")
    assert world.environments.get("e").secrets == ()
    world.values.problem = None
    with pytest.raises(InvalidInput, match="a secret and a variable"):
        world.secrets.set("E", "TAKEN", "value", SecretUse(as_variable=True))
    with pytest.raises(InvalidInput):
        world.secrets.set("E", "no-name", "value")
    assert world.values.kept == {}


def test_s2_a_short_value_is_kept_with_a_word_of_warning(world: World) -> None:
    assert "not masked" in world.secrets.set("E", "A", "12345")
    assert world.secrets.set("E", "A", "123456") == ""
