"""Our images on an engine: what is there, who uses it, and cleaning up without touching anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, ImageInfo, build_container
from agents_runner.core.errors import EngineError, ImageMissing
from agents_runner.engine.port import Engine
from agents_runner.images.packagecaches import PackageCache, find_caches


@dataclass(frozen=True, kw_only=True)
class CachedLayer:
    """One of our images; `own_size` is what it adds to its parent, `parent` the parent's image id.

    `tag` is its own tag, or its id where it lost it (a layer below one that stayed, say).
    """

    tag: str
    image: ImageInfo
    own_size: int
    parent: str
    users: tuple[str, ...]
    """Names of the containers that were made from it."""
    derived: tuple[str, ...] = ()
    """Images of others that were built on it: names, or ids of those without one."""

    @property
    def kind(self) -> str:
        return self.image.labels.get(labels.IMAGE_KIND, "")

    @property
    def key(self) -> str:
        return self.image.labels.get(labels.IMAGE_KEY, "")

    @property
    def instance(self) -> str:
        """Which installation of the application made it."""
        return self.image.labels.get(labels.IMAGE_INSTANCE, "")

    @property
    def named(self) -> bool:
        """False for a layer that lost its tag: no plan finds it any more."""
        return self.tag != self.image.id


class LayerRule(Protocol):
    """A pure rule over images."""

    def __call__(self, one: CachedLayer, /) -> str:
        """Why this image is to stay; "" if it may go."""
        ...


class CacheRule(Protocol):
    """A pure rule over package caches."""

    def __call__(self, one: PackageCache, /) -> str:
        """Why this package cache is to stay; "" if it may go."""
        ...


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


def find(engine: Engine) -> tuple[CachedLayer, ...]:
    """All of ours that have their tag, newest first: two list requests, and a look at bases that are not ours."""
    return tuple(one for one in find_all(engine) if one.named)


def find_all(engine: Engine, leaving: frozenset[str] = frozenset()) -> tuple[CachedLayer, ...]:
    """As `find`, with those of our layers that lost their tag; containers named `leaving` do not count."""
    listed = engine.list_images({labels.IMAGE_MANAGED: "true"})
    users = _users(one for one in engine.list_containers({}) if one.name not in leaving)
    derived = _derived(listed)
    sizes = {image.id: image.size for image in listed}
    found = []
    for image in listed:
        tag = image.labels.get(labels.IMAGE_REF, "") if image.is_ours() else image.id
        if not image.is_ours() and not _lost_its_tag(image):
            continue
        parent = image.labels.get(labels.IMAGE_PARENT, "")
        if parent and parent not in sizes:
            base = engine.find_image(parent)
            sizes[parent] = base.size if base else 0
        found.append(
            CachedLayer(
                tag=tag,
                image=image,
                own_size=max(0, image.size - sizes.get(parent, 0)),
                parent=parent,
                users=users.get(image.id, ()),
                derived=derived.get(image.labels.get(labels.IMAGE_KEY, ""), ()) if _is_newest(image, listed) else (),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.image.created, one.tag)))


def _lost_its_tag(image: ImageInfo) -> bool:
    """A layer of ours without any tag.

    An image that somebody built FROM ours inherits the label with the parent's id, but has another parent: only
    where the two agree did we commit it.
    """
    if not image.is_labelled_ours():
        return False
    return not image.tags and bool(image.parent) and image.parent == image.labels.get(labels.IMAGE_PARENT)


def _is_newest(image: ImageInfo, listed: list[ImageInfo]) -> bool:
    """False for an older image of the same layer, which a forced build took the tag from."""
    return image.is_ours() or not any(
        other.is_ours() and other.labels.get(labels.IMAGE_KEY) == image.labels.get(labels.IMAGE_KEY)
        for other in listed
    )


def _derived(listed: list[ImageInfo]) -> Mapping[str, tuple[str, ...]]:
    """Others' images by the key that they inherited: what stands on a layer of ours without being one."""
    found: dict[str, list[str]] = {}
    for image in listed:
        if not image.is_ours() and not _lost_its_tag(image):
            key = image.labels.get(labels.IMAGE_KEY, "")
            found.setdefault(key, []).append(image.tags[0] if image.tags else image.id)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _users(containers: Iterable[ContainerState]) -> Mapping[str, tuple[str, ...]]:
    users: dict[str, list[str]] = {}
    for state in containers:
        users.setdefault(state.image_id, []).append(state.name)
    return {image: tuple(sorted(names)) for image, names in users.items()}


def plan_clean(found: tuple[CachedLayer, ...], *, building: frozenset[str], reason_to_keep: LayerRule) -> Cleaned:
    """What would go: pure. `building` are keys of builds under way; `reason_to_keep` says why one is to stay.

    A kept image keeps the layers below it: they are part of it, and removing their tags frees nothing. What others
    built on ours loses nothing either: the tag goes, the bytes stay and are not counted.
    """
    kept: dict[str, str] = {}
    for one in found:
        why = _why_kept(one, building) or reason_to_keep(one)
        if why:
            kept[one.tag] = why
    by_id = {one.image.id: one for one in found}
    for one in found:
        if one.tag in kept:
            for below in _below(one, by_id):
                kept.setdefault(below.tag, f"{one.tag} is built on it")
    held = {one.tag for one in found if one.derived}
    held |= {below.tag for one in found if one.derived for below in _below(one, by_id)}
    going = _children_first([one for one in found if one.tag not in kept])
    return Cleaned(
        removed=tuple(one.tag for one in going),
        kept=tuple(Kept(tag=tag, why=why) for tag, why in sorted(kept.items())),
        freed_bytes=sum(bytes_of(one) for one in going if one.tag not in held),
    )


def bytes_of(one: CachedLayer) -> int:
    """What its removal frees: nothing while somebody's own tag is on it."""
    return one.own_size if set(one.image.tags) <= {one.tag} else 0


def _below(one: CachedLayer, by_id: Mapping[str, CachedLayer]) -> list[CachedLayer]:
    found: list[CachedLayer] = []
    below = by_id.get(one.parent)
    while below is not None and below not in found:
        found.append(below)
        below = by_id.get(below.parent)
    return found


def _why_kept(one: CachedLayer, building: frozenset[str]) -> str:
    if one.users:
        return f"used by container {one.users[0]}"
    if one.key in building:
        return "it is being built"
    if one.derived and not one.named:
        # Without a tag it can only be removed whole, which the engine refuses.
        return f"{one.derived[0]} is built on it"
    return ""


def _children_first(going: list[CachedLayer]) -> list[CachedLayer]:
    by_id = {one.image.id: one for one in going}
    return sorted(going, key=lambda one: (-len(_below(one, by_id)), one.tag))


def clean(
    engine: Engine,
    *,
    reason_to_keep: LayerRule,
    dry_run: bool,
    leaving: frozenset[str] = frozenset(),
) -> Cleaned:
    """Remove by exact tag, never by force; what the engine refuses to remove is kept and named.

    Layers that lost their tag are asked for like the others, and go by their id. `leaving` are names of containers
    that go as well.
    """
    found = find_all(engine, leaving)
    builds = engine.list_containers({labels.CONTAINER_KIND: "build"})
    running = [one for one in builds if one.name not in leaving]
    keys = frozenset(
        state.labels.get(labels.CONTAINER_KEY, "")
        for state in running
        if state.name == build_container(state.labels.get(labels.CONTAINER_KEY, ""))
    )
    parents = frozenset(state.image_id for state in running)
    plan = plan_clean(
        found,
        building=keys,
        reason_to_keep=lambda one: "a build stands on it" if one.image.id in parents else reason_to_keep(one),
    )
    return plan if dry_run else _removed(engine, found, plan)


def _removed(engine: Engine, found: tuple[CachedLayer, ...], plan: Cleaned) -> Cleaned:
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
    # What could not be removed, or was not there any more, is not counted as freed.
    missed = {one.tag: bytes_of(one) for one in found if one.tag in plan.removed and one.tag not in removed}
    return replace(
        plan, removed=tuple(removed), kept=tuple(kept), freed_bytes=max(0, plan.freed_bytes - sum(missed.values()))
    )


def clean_caches(
    engine: Engine,
    *,
    reason_to_keep: CacheRule,
    dry_run: bool,
    leaving: frozenset[str] = frozenset(),
) -> Cleaned:
    """Remove by exact name, never by force; `reason_to_keep` and `leaving` as in `clean`."""
    removed: list[str] = []
    kept: list[Kept] = []
    freed = 0
    for one in find_caches(engine):
        users = [name for name in one.users if name not in leaving]
        why = f"used by container {users[0]}" if users else reason_to_keep(one)
        if not why and not dry_run:
            try:
                engine.remove_volume(one.name)
            except EngineError as error:
                why = error.message
        if why:
            kept.append(Kept(tag=one.name, why=why))
        else:
            removed.append(one.name)
            freed += one.size
    return Cleaned(removed=tuple(removed), kept=tuple(kept), freed_bytes=freed)
