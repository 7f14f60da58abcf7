"""What another installation made stays, and goes when asked for: shown on an engine that holds nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from agents_runner.core.container import VOLUME_INSTANCE, VOLUME_KIND, VOLUME_NAME
from agents_runner.engine.docker_engine import connect
from agents_runner.images.mini_base import import_mini_base
from agents_runner.images.packagecaches import KIND
from tests.support.cli import Cli
from tests.support.own_engine import OwnEngine

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="starting an engine of its own needs root"
)


def test_what_is_left_of_a_data_folder_that_is_gone_can_be_cleaned(tmp_path: Path, workspace: Path) -> None:
    with OwnEngine() as own:
        env = {"DOCKER_HOST": own.host}
        gone, mine = Cli(home=tmp_path / "gone", env=env), Cli(home=tmp_path / "mine", env=env)
        engine = connect(own.host)
        try:
            base = import_mini_base(engine)
            script = "# step: a\necho a >/a\n# step: b\necho b >/b\n"
            fields = {"base_image": base, "workspace": str(workspace), "cached_preflight_script": script}
            sets = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
            gone("env", "create", "test", *sets, "--set", "cache_container_build=true")
            tags = {layer["tag"] for layer in gone("build", "test", "--json").json["layers"]}
            cache, instance = "agents-runner-cache-gone", (gone.home / "instance").read_text().strip()
            marks = {VOLUME_KIND: KIND, VOLUME_NAME: cache, VOLUME_INSTANCE: instance}
            engine.create_volume(cache, marks)
            engine.create_volume("a-persons", {})
            shutil.rmtree(gone.home)

            kept = mine("clean", "--json").json
            assert kept["removed"] == []
            assert {one["tag"]: one["why"] for one in kept["kept"]} == dict.fromkeys(
                {*tags, cache}, "another installation made it"
            )
            preview = mine("clean", "--others", "--dry-run", "--json").json
            assert set(preview["removed"]) == {*tags, cache}
            assert all(engine.find_image(tag) is not None for tag in tags)
            done = mine("clean", "--others", "--json").json
            assert (done["removed"], done["freed_bytes"]) == (preview["removed"], preview["freed_bytes"])
            assert not any(engine.find_image(tag) for tag in tags)
            assert engine.find_image(base) is not None
            assert [one.name for one in engine.list_volumes({})] == ["a-persons"]
        finally:
            engine.close()
