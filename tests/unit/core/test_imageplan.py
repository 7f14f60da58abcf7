"""Keys and tags: the same inputs give the same key, any other input another, and tags stay within bounds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.imageplan import MAX_TAG, LayerInputs, base_name, layer_key, plan_layers

BASE = "sha256:" + "ab" * 32
INPUTS = LayerInputs(
    kind="env",
    step="one",
    script="echo 1\n",
    env_vars={"A": "1", "B": "2"},
    identity="1000:1000",
    platform="linux/amd64",
    input_files={"/x/lock": "00"},
    recipe="r1",
)


@pytest.mark.parametrize(
    "other",
    [
        replace(INPUTS, kind="desktop"),
        replace(INPUTS, script="echo 2\n"),
        replace(INPUTS, script="echo 1"),
        replace(INPUTS, env_vars={"A": "1"}),
        replace(INPUTS, env_vars={"A": "12", "B": ""}),
        replace(INPUTS, identity="0:0"),
        replace(INPUTS, platform="linux/arm64"),
        replace(INPUTS, input_files={"/x/lock": "01"}),
        replace(INPUTS, recipe="r2"),
    ],
)
def test_every_input_is_part_of_the_key(other: LayerInputs) -> None:
    assert layer_key(other, BASE) != layer_key(INPUTS, BASE)


def test_the_order_of_variables_is_not() -> None:
    other = replace(INPUTS, env_vars={"B": "2", "A": "1"})
    assert layer_key(other, BASE) == layer_key(INPUTS, BASE)
    assert re.fullmatch("[0-9a-f]{64}", layer_key(INPUTS, BASE))


def test_a_layer_is_keyed_by_everything_below_it() -> None:
    steps = [replace(INPUTS, step=name, script=f"echo {name}\n") for name in "abc"]
    plan = plan_layers(base_ref="debian:bookworm", base_id=BASE, inputs=steps)
    changed = [steps[0], replace(steps[1], script="echo other\n"), steps[2]]
    other = plan_layers(base_ref="debian:bookworm", base_id=BASE, inputs=changed)
    same = [one.key == two.key for one, two in zip(plan.layers, other.layers, strict=True)]
    assert same == [True, False, False]
    assert [layer.parent for layer in plan.layers] == [BASE, plan.layers[0].key, plan.layers[1].key]
    assert plan.image == plan.layers[-1].tag


def test_a_plan_without_layers_starts_from_the_base() -> None:
    assert plan_layers(base_ref="debian:bookworm", base_id=BASE, inputs=[]).image == "debian:bookworm"


def test_tags_are_readable() -> None:
    desktop = replace(INPUTS, kind="desktop")
    plan = plan_layers(base_ref="lunamidori5/pixelarch:emerald", base_id=BASE, inputs=[desktop, INPUTS])
    assert re.fullmatch("agent-runner-desktop:emerald-[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{12}", plan.layers[0].tag)
    assert re.fullmatch("agent-runner-env:desktop-emerald-[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{12}", plan.layers[1].tag)
    assert plan.layers[0].tag.split("-")[-3] == "ab" * 6


@given(st.text(max_size=300))
def test_any_base_name_makes_a_tag_that_docker_takes(ref: str) -> None:
    plan = plan_layers(base_ref=ref, base_id=BASE, inputs=[replace(INPUTS, kind="desktop"), INPUTS])
    for layer in plan.layers:
        name, _, tag = layer.tag.partition(":")
        assert re.fullmatch("[a-z0-9-]+", name)
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag)
        assert len(layer.tag) <= MAX_TAG


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("debian:bookworm", "bookworm"),
        ("debian", "debian"),
        ("debian:latest", "debian"),
        ("host:5000/team/Image:V1", "v1"),
        ("host:5000/team/image", "image"),
        ("x@sha256:abc", "x"),
    ],
)
def test_base_names(ref: str, name: str) -> None:
    assert base_name(ref) == name
