"""Layers, keys and tags: which image an environment needs, decided without touching anything."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["desktop", "env"]
RECIPE_VERSION = 1
"""Raised whenever the launcher's scripts make another image of the same script."""
MAX_TAG = 128
_TAG_PART = 40


@dataclass(frozen=True, kw_only=True)
class LayerInputs:
    """Everything that makes a layer what it is, beside its parent."""

    kind: Kind
    step: str
    """The step's name; "" for a script without step marks."""
    script: str
    """Its exact text, as it will run."""
    env_vars: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    """`uid:gid` that the agent's files belong to."""
    platform: str = ""
    input_files: Mapping[str, str] = field(default_factory=dict)
    """Declared files: path to the SHA-256 of its contents."""
    secrets: tuple[str, ...] = ()
    """What the build may see beyond its inputs: names, never values, and whose they are; see `core.secrets`."""
    recipe: str = ""
    """Hash of the wrapper scripts that we ship."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One image to have: `parent` is the parent layer's key, or the base image's id for the first."""

    kind: Kind
    step: str
    key: str
    tag: str
    parent: str
    parent_ref: str
    """What to create the build container from: the parent layer's tag, or the base image's id."""
    inputs: LayerInputs


@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """The layers on top of a base image, lowest first; `image` is what a task starts from once all are there."""

    base_ref: str
    base_id: str
    layers: tuple[Layer, ...] = ()

    @property
    def image(self) -> str:
        return self.layers[-1].tag if self.layers else self.base_ref

    def of(self, kind: Kind) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.kind == kind)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no white space: the same value is always the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def _content(inputs: LayerInputs) -> dict[str, object]:
    content: dict[str, object] = {
        "kind": inputs.kind,
        "step": inputs.step,
        "script": sha256(inputs.script.encode("utf-8")),
        "env_vars": dict(inputs.env_vars),
        "identity": inputs.identity,
        "platform": inputs.platform,
        "input_files": dict(inputs.input_files),
    }
    if inputs.secrets:
        content["secrets"] = list(inputs.secrets)
    return content


def layer_key(inputs: LayerInputs, parent: str) -> str:
    """SHA-256 (64 hex digits) over everything that makes the layer; never time, names or the run preflight."""
    return sha256(
        canonical({"content": _content(inputs), "parent": parent, "recipe": [RECIPE_VERSION, inputs.recipe]})
    )


def base_name(ref: str) -> str:
    """What a tag calls its base: the base's own tag, or the last part of its name, in tag characters."""
    name = ref.rsplit("/", 1)[-1]
    name, _, _ = name.partition("@")
    _, colon, tag = name.partition(":")
    word = tag if colon and tag not in ("", "latest") else name.partition(":")[0]
    word = re.sub(r"[^a-z0-9_.]+", "-", word.lower()).strip("-.")
    return word[:_TAG_PART] or "base"


def layer_tag(inputs: LayerInputs, *, parent: str, base_ref: str, on_desktop: bool) -> str:
    """A readable tag within Docker's 128 characters; the full key is in the image's label."""
    parent12 = parent.removeprefix("sha256:")[:12]
    content12 = sha256(canonical(_content(inputs)))[:12]
    recipe12 = sha256(canonical([RECIPE_VERSION, inputs.recipe]))[:12]
    prefix = "desktop-" if inputs.kind == "env" and on_desktop else ""
    return f"agent-runner-{inputs.kind}:{prefix}{base_name(base_ref)}-{parent12}-{content12}-{recipe12}"


def without(plan: ImagePlan, kind: Kind) -> ImagePlan:
    """The same plan on the same base with the layers of one kind left out; those above get other keys."""
    kept = [layer.inputs for layer in plan.layers if layer.kind != kind]
    return plan_layers(base_ref=plan.base_ref, base_id=plan.base_id, inputs=kept)


def plan_layers(*, base_ref: str, base_id: str, inputs: Sequence[LayerInputs]) -> ImagePlan:
    """Chain the inputs, lowest first, each keyed by its own inputs and its parent's key."""
    layers: list[Layer] = []
    parent, parent_ref, on_desktop = base_id, base_id, False
    for one in inputs:
        key = layer_key(one, parent)
        tag = layer_tag(one, parent=parent, base_ref=base_ref, on_desktop=on_desktop)
        layers.append(
            Layer(
                kind=one.kind,
                step=one.step,
                key=key,
                tag=tag,
                parent=parent,
                parent_ref=parent_ref,
                inputs=one,
            )
        )
        parent, parent_ref = key, tag
        on_desktop = on_desktop or one.kind == "desktop"
    return ImagePlan(base_ref=base_ref, base_id=base_id, layers=tuple(layers))
