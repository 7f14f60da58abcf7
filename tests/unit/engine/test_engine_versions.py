"""Engines old and new: what they all can do works in the newest words both know, the others are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents_runner.core.container import CommitSpec, ContainerSpec
from agents_runner.core.errors import EngineError, EngineTooNew, EngineTooOld
from agents_runner.engine.docker_engine import NEWEST_API, connect
from tests.support.engine_of_version import ID, IMAGE, EngineOfVersion


@pytest.mark.parametrize(
    ("oldest", "newest", "spoken"),
    [
        ("1.12", "1.41", "1.41"),
        ("1.24", "1.43", "1.43"),
        ("1.24", "1.47", "1.47"),
        ("1.44", "1.44", "1.44"),
        ("1.44", "1.52", "1.52"),
        ("1.44", "1.99", NEWEST_API),
        (NEWEST_API, "2.3", NEWEST_API),
    ],
)
def test_f25_the_newest_words_that_both_know(tmp_path: Path, oldest: str, newest: str, spoken: str) -> None:
    with EngineOfVersion(tmp_path, oldest=oldest, newest=newest) as said:
        engine = connect(said.host)
        try:
            assert (engine.info().api, engine.info().platform) == (newest, "linux/amd64")
            assert [one.id for one in engine.list_images()] == [IMAGE]
            found = engine.find_image("base:1")
            assert found is not None
            assert found.command == ("sh",)
            assert engine.find_image("none:1") is None
            made = engine.create(ContainerSpec(name="box", image="base:1", command=("echo", "hello")))
            assert made == ID
            engine.start(made)
            assert [chunk.data for chunk in engine.follow(made) if chunk.data] == [b"hello\n"]
            assert engine.wait(made, 5).exit_code == 3
            assert [one.name for one in engine.list_containers({})] == ["box"]
            engine.tag(engine.commit(made, CommitSpec(labels={})), "base:1")
            engine.remove_tag("base:1")
            engine.remove(made)
            assert engine.inspect(made) is None
        finally:
            engine.close()
        assert said.versions == {spoken}


@pytest.mark.parametrize(
    ("oldest", "newest", "kind", "words", "hint"),
    [
        ("1.12", "1.24", EngineTooOld, "speaks API 1.24; 1.41 or newer is needed", "Docker 20.10 or newer"),
        ("1.12", "1.40", EngineTooOld, "speaks API 1.40; 1.41 or newer is needed", "Docker 20.10 or newer"),
        (
            "1.60",
            "1.99",
            EngineTooNew,
            f"speaks API 1.60 or newer; {NEWEST_API} is the newest",
            "newer Agents Runner",
        ),
        ("2.0", "2.1", EngineTooNew, "speaks API 2.0 or newer", "newer Agents Runner"),
    ],
)
def test_f25_an_engine_out_of_range_is_named_in_one_sentence(
    tmp_path: Path, oldest: str, newest: str, kind: type[EngineError], words: str, hint: str
) -> None:
    with EngineOfVersion(tmp_path, oldest=oldest, newest=newest) as said:
        with pytest.raises(kind) as caught:
            connect(said.host)
        assert words in caught.value.message
        assert hint in caught.value.hint
        assert caught.value.code == "engine-version"
        assert said.versions == set()
