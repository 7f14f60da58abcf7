"""Following a container whose engine does not always answer."""

from __future__ import annotations

import pytest

from agents_runner.containers.cancellation import NeverCancelled
from agents_runner.containers.watch import Watch
from agents_runner.core.container import ContainerSpec
from agents_runner.core.errors import EngineTimeout, EngineUnreachable
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.launcher.protocol import OutputParser


def prints(_spec: ContainerSpec, console: Console) -> int:
    console.write("a line\n")
    return 143


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine(prints)
    made.add_image("base:1")
    return made


@pytest.mark.parametrize(
    ("failures", "was_away"),
    [
        ([], False),
        ([("inspect", EngineUnreachable("gone"))], True),
        ([("inspect", EngineTimeout("slow"))], False),
    ],
    ids=["it answers", "one look is lost", "it is slow"],
)
def test_f3_one_lost_answer_is_enough_to_know_that_the_engine_may_have_been_restarted(
    engine: FakeEngine, failures: list[tuple[str, Exception]], was_away: bool
) -> None:
    container = engine.create(ContainerSpec(name="one", image="base:1"))
    stream = engine.attach(container)
    engine.start(container)
    engine.failures += failures
    watch = Watch(engine=engine, container=container, parser=OutputParser(""), cancel=NeverCancelled())
    assert [item.line for item in watch.run(stream)] == ["a line"]  # type: ignore[union-attr]
    assert watch.was_away is was_away
    assert engine.failures == []
