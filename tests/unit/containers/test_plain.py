"""A container without a launcher: its lines, its state, and that nothing of it is left."""

from __future__ import annotations

import time

import pytest

from agents_runner.containers.cancellation import LocalCancellation, NeverCancelled
from agents_runner.containers.plain import PlainContainer
from agents_runner.core.container import ContainerSpec
from agents_runner.core.errors import Cancelled, EngineRefused, ImageMissing, LimitReached
from agents_runner.engine.fake import Console, FakeEngine


def says(_spec: ContainerSpec, console: Console) -> int:
    console.write("first\n\x1e- needs-root sudo\nlast")
    return 3


def waits(_spec: ContainerSpec, console: Console) -> int:
    console.write("first\n")
    console.stopped.wait(30)
    return 0


def engine_with(program: object) -> FakeEngine:
    engine = FakeEngine(program)  # type: ignore[arg-type]
    engine.add_image("base:1")
    return engine


SPEC = ContainerSpec(name="agents-runner-bench-x", image="base:1", user="0:0")


def test_it_is_started_as_it_is_told_and_its_end_is_known() -> None:
    specs: list[ContainerSpec] = []
    engine, lines = engine_with(lambda spec, console: specs.append(spec) or says(spec, console)), []  # type: ignore[func-returns-value]
    with PlainContainer(engine=engine, spec=SPEC) as plain:
        items = plain.run(NeverCancelled(), None)
        while True:
            try:
                lines.append(next(items).line)
            except StopIteration as end:
                state = end.value
                break
    assert lines == ["first", "\x1e- needs-root sudo", "last"], "there is no launcher whose mark it could be"
    assert (state.exit_code, state.name) == (3, SPEC.name)
    assert specs == [SPEC], "nothing of ours was added"
    assert (engine.containers, engine.volumes) == ({}, {})


@pytest.mark.parametrize("how", ["cancelled", "limit", "left half-way"])
def test_it_is_gone_however_it_is_left(how: str) -> None:
    engine, cancel = engine_with(waits), LocalCancellation()
    deadline = time.monotonic() + (0.2 if how == "limit" else 30)
    expected = {"cancelled": Cancelled, "limit": LimitReached, "left half-way": ZeroDivisionError}[how]
    with pytest.raises(expected):
        follow(engine, cancel, deadline, how)
    assert engine.containers == {}


def follow(engine: FakeEngine, cancel: LocalCancellation, deadline: float, how: str) -> None:
    with PlainContainer(engine=engine, spec=SPEC) as plain:
        lines = plain.run(cancel, deadline)
        assert next(lines).line == "first"
        if how == "left half-way":
            raise ZeroDivisionError
        if how == "cancelled":
            cancel.cancel()
        list(lines)


def test_what_cannot_be_made_or_started_leaves_nothing() -> None:
    with pytest.raises(ImageMissing), PlainContainer(engine=FakeEngine(says), spec=SPEC):
        raise AssertionError("there is no such image")
    engine = engine_with(says)
    engine.failures = [("start", EngineRefused("no"))]
    with pytest.raises(EngineRefused), PlainContainer(engine=engine, spec=SPEC) as plain:
        list(plain.run(NeverCancelled(), None))
    assert engine.containers == {}
