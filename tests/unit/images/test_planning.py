"""Planning: the toggles decide when a script runs, never whether; and what a clean-up would do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import NoWorkspace
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.images.catalogue import CachedLayer, plan_clean
from agents_runner.images.planning import cached_steps, plan_image, plan_start

BASE = ImageInfo(id="sha256:" + "1" * 64, platform="linux/amd64")
STEPS = "#!/bin/bash\nset -e\n# step: a\necho a\n# step: b\necho b\n"
CONFIG = DockerRunnerConfig(
    task_id="t", environment_id="e", environment_name="E", base_image="debian:bookworm", container_cache_enabled=True,
    cached_preflight_script=STEPS, run_preflight_script="echo run", workspace=NoWorkspace(), uid=1, gid=2,
    agent=None, token="0",
)  # fmt: skip


def change(**fields: object) -> DockerRunnerConfig:
    return CONFIG.model_copy(update=fields)


def test_each_step_is_a_layer() -> None:
    plan = plan_image(CONFIG, BASE)
    assert [(layer.kind, layer.step) for layer in plan.layers] == [("env", "a"), ("env", "b")]
    assert all("set -e" in layer.inputs.script for layer in plan.layers)


@pytest.mark.parametrize(
    "fields", [{"container_cache_enabled": False}, {"cached_preflight_script": " \n"}, {"preflight_enabled": False}]
)
def test_without_layers_it_starts_from_the_base(fields: dict[str, object]) -> None:
    assert plan_image(change(**fields), BASE).layers == ()


@given(st.booleans(), st.booleans(), st.integers(0, 2))
def test_every_step_is_baked_or_runs_at_the_start(enabled: bool, cached: bool, baked: int) -> None:
    config = change(preflight_enabled=enabled, container_cache_enabled=cached)
    start = plan_start(config, baked=baked)
    left = [text for stage in start.stages for text in stage.scripts if stage.phase == "preflight.cached"]
    assert len(left) + baked == (2 if enabled else baked)
    assert ("run" in start.at_start) is enabled


def test_neither_the_run_preflight_nor_names_are_in_the_key() -> None:
    keys = [layer.key for layer in plan_image(CONFIG, BASE).layers]
    other = change(
        run_preflight_script="x", environment_name="Y", environment_id="y", task_id="z", token="1", build_timeout_s=5
    )
    assert [layer.key for layer in plan_image(other, BASE).layers] == keys
    assert [layer.key for layer in plan_image(CONFIG, replace(BASE, id="sha256:" + "2" * 64)).layers] != keys


def test_line_ends_do_not_make_another_layer() -> None:
    crlf = change(cached_preflight_script="\ufeff" + STEPS.replace("\n", "\r\n"))
    assert cached_steps(crlf) == cached_steps(CONFIG)


def test_a_plan_round_trips_through_disk() -> None:
    assert DockerRunnerConfig.model_validate_json(CONFIG.model_dump_json()) == CONFIG
    assert DockerRunnerConfig.model_validate_json(CONFIG.model_dump_json()).model_dump() == CONFIG.model_dump()


def found(name: str, parent: str = "base", users: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> CachedLayer:
    tag = f"agent-runner-env:{name}"
    image = ImageInfo(id=name, tags=(tag, *extra), labels={labels.IMAGE_KEY: f"key-{name}", labels.IMAGE_REF: tag})
    return CachedLayer(tag=tag, image=image, own_size=10, parent=parent, users=users)


def tags(names: str) -> tuple[str, ...]:
    return tuple(f"agent-runner-env:{name}" for name in names.split())


def test_children_go_before_their_parents() -> None:
    plan = plan_clean(
        (found("a"), found("b", "a"), found("c", "b")), building=frozenset(), reason_to_keep=lambda _: ""
    )
    assert plan.removed == tags("c b a")
    assert plan.freed_bytes == 30


def test_what_is_used_stays_with_everything_below_it() -> None:
    images = (found("a"), found("b", "a", users=("box",)), found("c", "b"), found("d"))
    plan = plan_clean(images, building=frozenset({"key-d"}), reason_to_keep=lambda _: "")
    assert plan.removed == tags("c")
    assert {one.tag: one.why for one in plan.kept} == {
        "agent-runner-env:a": "agent-runner-env:b is built on it",
        "agent-runner-env:b": "used by container box",
        "agent-runner-env:d": "it is being built",
    }


def test_an_image_with_another_tag_frees_nothing() -> None:
    plan = plan_clean((found("a", extra=("mine:1",)),), building=frozenset(), reason_to_keep=lambda _: "")
    assert (plan.removed, plan.freed_bytes) == (tags("a"), 0)
