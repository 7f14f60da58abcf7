"""Hits and saved seconds are counted, images collected, refreshes begun once a day, saves built ahead if wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents_runner.core.environment import Environment
from agents_runner.core.errors import EngineUnreachable, ImageMissing
from agents_runner.core.events import LayerDone, Phase, PhaseStarted, StateChanged, TaskResult, TaskState
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.results import Listing
from agents_runner.core.settings import CachePolicy, Settings
from agents_runner.core.task import Task
from agents_runner.images.leftovers import Leftover
from agents_runner.runner.images.maintenance import CacheMaintenance
from agents_runner.runner.services import CleanReport, PlannedImage
from agents_runner.store.database import Database
from agents_runner.store.image_uses import ImageUses
from agents_runner.store.paths import Paths

ENV = Environment(id="e", name="E", cache_container_build=True, cached_preflight_script="x", refresh_after_days=7)


@dataclass
class Images:
    collected: int = 0
    hit: bool = True
    error: Exception | None = None

    key: str = ""
    """Of the only layer that an environment has, where it has one."""

    def plan(self, environment: Environment) -> PlannedImage:
        if self.error:
            raise self.error
        layers = (SimpleNamespace(key=self.key),) if self.key else ()
        plan = ImagePlan(base_ref="b", base_id="sha256:1", layers=layers)  # type: ignore[arg-type]
        return PlannedImage(plan=plan, states=("hit" if self.hit else "miss",), at_start=())

    def collect(self) -> CleanReport:
        self.collected += 1
        return CleanReport(removed=(), kept=(), freed_bytes=0, dry_run=False)

    def refresh_due(self, environment: Environment) -> bool:
        return self.plan(environment).hit


@dataclass
class Store:
    environment: Environment = ENV

    def list(self) -> Listing:
        return Listing(environments=(self.environment,))

    def get(self, name_or_id: str) -> Environment:
        return self.environment

    def save(self, environment: Environment, base: Environment | None = None) -> Environment:
        self.environment = environment
        return environment

    def delete(self, environment_id: str) -> None:
        pass


class Tasks:
    """Every task is of the environment `e`."""

    def get(self, task_id: str) -> Task:
        return Task(
            id=task_id,
            environment_id="e",
            environment_name="E",
            agent="shell",
            prompt="",
            state=TaskState.RUNNING,
            created=1.0,
        )


@dataclass
class Leftovers:
    there: list[Leftover] = field(default_factory=list)
    looks: int = 0

    def find(self) -> tuple[Leftover, ...]:
        self.looks += 1
        return tuple(self.there)

    def remove(self, found: Iterable[Leftover]) -> tuple[Leftover, ...]:
        gone = tuple(found)
        self.there = [one for one in self.there if one not in gone]
        return gone


@dataclass
class World:
    uses: ImageUses
    leftovers: Leftovers = field(default_factory=Leftovers)
    images: Images = field(default_factory=Images)
    store: Store = field(default_factory=Store)
    policy: CachePolicy = field(default_factory=CachePolicy)
    began: list[tuple[str, ...]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def load(self) -> Settings:
        """As `SettingsSource` has it."""
        return Settings(cache=self.policy)

    def start(self, words: tuple[str, ...]) -> None:
        """As `BackgroundPort` has it."""
        self.began.append(words)
        self.begun.set()

    def keeper(self, after_s: float = 0.01) -> CacheMaintenance:
        return CacheMaintenance(
            images=self.images,
            uses=self.uses,
            environments=self.store,
            tasks=Tasks(),
            settings=self,
            background=self,
            leftovers=self.leftovers,
            prebuild_after_s=after_s,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(Paths(config=tmp_path, data=tmp_path))
    yield World(ImageUses(database=database))
    database.close()


def done(tag: str, result: str, seconds: float = 0.0) -> LayerDone:
    return LayerDone(kind="env", step="", tag=tag, result=result, seconds=seconds)  # type: ignore[arg-type]


def ended(image: str) -> TaskResult:
    return TaskResult(task="t", state=TaskState.SUCCEEDED, exit_code=0, image=image)


def test_a_build_is_no_hit_and_a_hit_saves_what_the_build_took(world: World) -> None:
    keeper = world.keeper()
    keeper.listen("t", (done("low", "built", 3.0), done("top", "built", 4.0), ended("top")))
    keeper.listen("u", (done("low", "hit"), done("top", "hit")))
    keeper.listen("u", (ended("top"),))
    keeper.listen("v", (done("low", "hit"), done("top2", "built", 5.0), ended("top2")))
    keeper.close()
    found = world.uses.all()
    assert (found["top"].hits, found["top"].seconds_saved) == (1, 7.0)
    assert (found["top2"].hits, found["top2"].seconds_saved) == (0, 3.0)
    assert world.uses.plan_of("e") == ("low", "top2")
    assert world.images.collected == 2, "only builds make something superseded"


def test_a_fallback_is_no_use_of_the_layer(world: World) -> None:
    keeper = world.keeper()
    keeper.listen("t", (done("low", "hit"), done("top", "hit"), ended("debian")))
    keeper.close()
    assert world.uses.all()["top"].last_used is None


def test_a_refresh_is_begun_once_a_day(world: World) -> None:
    keeper = world.keeper()
    for _ in range(3):
        keeper.started()
    keeper.listen("t", (done("top", "hit"), ended("top")))
    keeper.close()
    assert world.began == [("build", "e", "--refresh")]
    tried = world.uses.refresh_tried("e")
    assert tried is not None
    later = ImageUses(database=world.uses.database, clock=lambda: tried + 86401)
    assert later.claim_refresh("e", 86400)
    assert not later.claim_refresh("e", 86400)


@pytest.mark.parametrize("change", [{"refresh_after_days": None}, {"cache_container_build": False}])
def test_nobody_asked_for_a_refresh(world: World, change: dict[str, object]) -> None:
    world.store.environment = ENV.model_copy(update=change)
    keeper = world.keeper()
    keeper.started()
    keeper.close()
    assert world.began == []


def test_a_missing_image_is_not_refreshed_in_the_background(world: World) -> None:
    world.images.hit = False
    keeper = world.keeper()
    keeper.started()
    world.images.error = ImageMissing("none")
    keeper.started()
    keeper.close()
    assert world.began == []


def test_saving_builds_ahead_only_if_that_is_wanted_and_only_what_is_missing(world: World) -> None:
    world.images.hit = False
    keeper = world.keeper()
    keeper.saved(world.store.save(ENV))
    keeper.close()
    assert world.began == []
    world.policy = CachePolicy(prebuild_on_save=True)
    keeper = world.keeper()
    keeper.saved(world.store.save(ENV))
    assert world.begun.wait(10)
    keeper.close()
    assert world.began == [("build", "e")]
    world.images.hit = True
    keeper = world.keeper(1000)
    keeper.saved(ENV)
    keeper.close()
    assert world.began == [("build", "e")]


def test_saves_one_after_another_are_one_build_and_closing_does_not_lose_it(world: World) -> None:
    world.images.hit = False
    world.policy = CachePolicy(prebuild_on_save=True)
    keeper = world.keeper(1000)
    for _ in range(5):
        keeper.saved(ENV)
    keeper.close()
    assert world.began == [("build", "e")]
    keeper.saved(ENV)
    assert len(world.began) == 1, "nothing begins after the end"


def test_an_engine_that_is_away_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> CleanReport:
        raise EngineUnreachable("No engine.")

    monkeypatch.setattr(world.images, "collect", away)
    keeper = world.keeper()
    keeper.built()
    keeper.started()
    keeper.close()
    assert world.began == [("build", "e", "--refresh")]


def left(name: str, *, key: str = "", usable: bool = False, age_s: float = 0.0, kind: str = "container") -> Leftover:
    return Leftover(kind=kind, name=name, container="box", key=key, environment="e", usable=usable, age_s=age_s)  # type: ignore[arg-type]


def test_m1_a_window_looks_for_leftovers_at_its_start_and_after_each_task(world: World) -> None:
    world.leftovers.there = [left("box"), left("box-1", kind="folder")]
    keeper = world.keeper()
    keeper.started()
    for task in ("t", "u"):
        keeper.listen(task, (StateChanged(state=TaskState.RUNNING), ended("debian")))
    keeper.close()
    assert world.leftovers.there == []
    assert world.leftovers.looks == 3


def test_m1_a_command_looks_once_and_not_before_its_agent_runs(world: World) -> None:
    keeper = world.keeper()
    keeper.listen("t", (StateChanged(state=TaskState.PREPARING), PhaseStarted(phase=Phase.START)))
    assert world.leftovers.looks == 0
    keeper.listen("t", (StateChanged(state=TaskState.RUNNING),))
    keeper.listen("t", (ended("debian"),))
    keeper.close()
    assert world.leftovers.looks == 1


def test_m1_a_left_build_whose_layer_is_missing_is_adopted_with_its_folder(world: World) -> None:
    world.images.hit = False
    world.images.key = "k"
    there = [left("box", key="k", usable=True, age_s=60), left("box-1", kind="folder")]
    world.leftovers.there = list(there)
    keeper = world.keeper()
    keeper.started()
    keeper.close()
    assert world.leftovers.there == there
    assert world.began[0] == ("build", "e")


@pytest.mark.parametrize("why", ["hit", "other layer", "too old", "failed", "no base"])
def test_m1_a_left_build_that_nobody_has_a_use_for_goes(world: World, why: str) -> None:
    world.images.hit = why == "hit"
    world.images.key = "k"
    if why == "no base":
        world.images.error = ImageMissing("gone")
    key = "another" if why == "other layer" else "k"
    age = ENV.build_timeout_s if why == "too old" else 60
    world.leftovers.there = [left("box", key=key, usable=why != "failed", age_s=age)]
    keeper = world.keeper()
    keeper.started()
    keeper.close()
    assert world.leftovers.there == []
    assert ("build", "e") not in world.began
