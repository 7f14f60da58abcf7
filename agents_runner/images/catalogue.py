"""Our images on an engine: what is there, who uses it, and cleaning up without touching anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import EngineError, ImageMissing
from agents_runner.engine.port import Engine
from agents_runner.images.build import container_name


@dataclass(frozen=True, kw_only=True)
class Found:
    """One of our images; `own_size` is what it adds to its parent, `parent` the parent's image id."""

    tag: str
    image: ImageInfo
    own_size: int
    parent: str
    users: tuple[str, ...]
    """Names of the containers that were made from it."""

    @property
    def kind(self) -> str:
        return self.image.labels.get(labels.IMAGE_KIND, "")

    @property
    def key(self) -> str:
        return self.image.labels.get(labels.IMAGE_KEY, "")


@dataclass(frozen=True, kw_only=True)
class Kept:
    tag: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """`removed` tags, children before parents; `freed_bytes` on the engine's disk."""

    removed: tuple[str, ...]
    kept: tuple[Kept, ...]
    freed_bytes: int


def find(engine: Engine) -> tuple[Found, ...]:
    """All of ours, newest first: two list requests, and a look at base images that are not ours."""
    listed = engine.list_images({labels.IMAGE_MANAGED: "true"})
    ours = [image for image in listed if image.is_ours()]
    users = _users(engine)
    sizes = {image.id: image.size for image in listed}
    found = []
    for image in ours:
        parent = image.labels.get(labels.IMAGE_PARENT, "")
        if parent and parent not in sizes:
            base = engine.find_image(parent)
            sizes[parent] = base.size if base else 0
        found.append(
            Found(
                tag=image.labels[labels.IMAGE_REF],
                image=image,
                own_size=max(0, image.size - sizes.get(parent, 0)),
                parent=parent,
                users=users.get(image.id, ()),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.image.created, one.tag)))


def _users(engine: Engine) -> Mapping[str, tuple[str, ...]]:
    users: dict[str, list[str]] = {}
    for state in engine.list_containers({}):
        users.setdefault(state.image_id, []).append(state.name)
    return {image: tuple(sorted(names)) for image, names in users.items()}


def plan_clean(found: tuple[Found, ...], *, building: frozenset[str], wanted: Callable[[Found], str]) -> Cleaned:
    """What would go: pure. `building` are keys of builds under way; `wanted` says why an image is to stay, or "".

    A kept image keeps the layers below it: they are part of it, and removing their tags frees nothing.
    """
    kept: dict[str, str] = {}
    for one in found:
        why = _why_kept(one, building) or wanted(one)
        if why:
            kept[one.tag] = why
    by_id = {one.image.id: one for one in found}
    for one in found:
        if one.tag in kept:
            below = by_id.get(one.parent)
            while below is not None and below.tag not in kept:
                kept[below.tag] = f"{one.tag} is built on it"
                below = by_id.get(below.parent)
    going = _children_first([one for one in found if one.tag not in kept])
    return Cleaned(
        removed=tuple(one.tag for one in going),
        kept=tuple(Kept(tag=tag, why=why) for tag, why in sorted(kept.items())),
        freed_bytes=sum(one.own_size for one in going if set(one.image.tags) == {one.tag}),
    )


def _why_kept(one: Found, building: frozenset[str]) -> str:
    if one.users:
        return f"used by container {one.users[0]}"
    if one.key in building:
        return "it is being built"
    return ""


def _children_first(going: list[Found]) -> list[Found]:
    by_id = {one.image.id: one for one in going}

    def depth(one: Found) -> int:
        below = by_id.get(one.parent)
        return 1 + depth(below) if below is not None else 0

    return sorted(going, key=lambda one: (-depth(one), one.tag))


def clean(engine: Engine, *, wanted: Callable[[Found], str], dry_run: bool) -> Cleaned:
    """Remove by exact tag, never by force; what the engine refuses to remove is kept and named."""
    found = find(engine)
    running = engine.list_containers({labels.CONTAINER_KIND: "build"})
    keys = frozenset(
        state.labels.get(labels.CONTAINER_KEY, "")
        for state in running
        if state.name == container_name(state.labels.get(labels.CONTAINER_KEY, ""))
    )
    parents = frozenset(state.image_id for state in running)
    plan = plan_clean(
        found,
        building=keys,
        wanted=lambda one: "a build stands on it" if one.image.id in parents else wanted(one),
    )
    if dry_run:
        return plan
    sizes = {one.tag: one.own_size if set(one.image.tags) == {one.tag} else 0 for one in found}
    removed: list[str] = []
    kept = list(plan.kept)
    for tag in plan.removed:
        try:
            engine.remove_tag(tag)
        except ImageMissing:
            continue  # somebody else removed it meanwhile
        except EngineError as error:
            kept.append(Kept(tag=tag, why=error.message))
            continue
        removed.append(tag)
    remove_orphans(engine)
    return Cleaned(removed=tuple(removed), kept=tuple(kept), freed_bytes=sum(sizes[tag] for tag in removed))


def remove_orphans(engine: Engine) -> None:
    """Remove layers of ours that lost their tag while something stood on them, once nothing does.

    An image that somebody built FROM ours inherits the label with the parent's id, but has another parent: only
    where the two agree did we commit it.
    """
    found = True
    while found:
        found = False
        for image in engine.list_images({labels.IMAGE_MANAGED: "true"}):
            if image.tags or not image.parent or image.parent != image.labels.get(labels.IMAGE_PARENT):
                continue
            with contextlib.suppress(EngineError):
                engine.remove_tag(image.id)
                found = True
