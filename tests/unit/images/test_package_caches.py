"""Package caches on the fake engine: ours by name and label only; an engine that is busy measuring is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from agents_runner.core import container as labels
from agents_runner.core.container import VolumeInfo
from agents_runner.core.errors import EngineRefused
from agents_runner.engine.fake import FakeEngine
from agents_runner.images import packagecaches
from agents_runner.images.catalogue import clean_caches
from agents_runner.images.packagecaches import find_caches, held, volume_name


def test_one_build_at_a_time_has_it(tmp_path: Path) -> None:
    engine = FakeEngine()
    with held(engine, tmp_path, instance="i", environment_id="e") as first:
        assert first == volume_name("i", "e")
        with held(engine, tmp_path, instance="i", environment_id="e") as second:
            assert second == ""
        with held(engine, tmp_path, instance="i", environment_id="other") as third:
            assert third not in ("", first)
    with held(engine, tmp_path, instance="i", environment_id="e") as again:
        assert again == first


def test_a_volume_of_that_name_that_somebody_else_made_is_left_alone(tmp_path: Path) -> None:
    engine = FakeEngine()
    name = volume_name("i", "e")
    engine.volumes[name] = VolumeInfo(name=name, labels={"whose": "theirs"})
    with held(engine, tmp_path, instance="i", environment_id="e") as found:
        assert found == ""
    copied = {labels.VOLUME_KIND: packagecaches.KIND, labels.VOLUME_NAME: name}
    engine.volumes["copy"] = VolumeInfo(name="copy", labels=copied)
    assert find_caches(engine) == ()
    assert clean_caches(engine, reason_to_keep=lambda _: "", dry_run=False).removed == ()
    assert set(engine.volumes) == {name, "copy"}


class Busy(FakeEngine):
    refusals = 2

    def volume_sizes(self) -> Mapping[str, int]:
        self.refusals -= 1
        if self.refusals >= 0:
            raise EngineRefused("a disk usage operation is already running")
        return super().volume_sizes()


def test_an_engine_that_measures_for_another_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Busy()
    with held(engine, tmp_path, instance="i", environment_id="e"):
        pass
    assert [one.size for one in find_caches(engine)] == [1000]
    monkeypatch.setattr(packagecaches, "SIZES_PATIENCE_S", 0.0)
    engine.refusals = 100
    assert [one.size for one in find_caches(engine)] == [0], "unknown, and no reason to fail"
