"""What front ends ask the use cases for, and what they are told: requests and answers as values."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Literal

from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.task import TaskKind
from agents_runner.images.leftovers import Leftover


@dataclass(frozen=True, kw_only=True)
class TaskRequest:
    """A click on Run: `agent` "" takes the environment's; `prompt` reaches the agent byte for byte."""

    environment_id: str
    prompt: str
    agent: str = ""
    kind: TaskKind = TaskKind.TASK


DesktopPlan = Literal["off", "layer", "at-start"]
"""Where a task's desktop comes from: nowhere, a cached layer, or an install when the task starts."""


@dataclass(frozen=True, kw_only=True)
class PlannedImage:
    """A plan with what a look at the engine found: `states` is hit or miss for each layer, lowest first."""

    plan: ImagePlan
    states: tuple[str, ...]
    at_start: tuple[str, ...]
    notice: str = ""
    desktop: DesktopPlan = "off"

    @property
    def hit(self) -> bool:
        return not self.states or self.states[-1] == "hit"


@dataclass(frozen=True, kw_only=True)
class CachedImage:
    """One of our images; sizes in bytes (`own_size`: what it adds to its parent), times since the epoch."""

    tag: str
    id: str
    kind: str
    step: str
    key: str
    size: int
    own_size: int
    created: float
    last_used: float | None
    environments: tuple[str, ...]
    """Names of the environments whose plan holds it."""
    in_use: bool
    hits: int = 0
    """How many tasks started from it that did not have to build it first."""
    seconds_saved: float = 0.0
    """How much longer those would have waited for its layers to be built."""

    @property
    def shared_size(self) -> int:
        """Bytes that it has in common with its parent."""
        return self.size - self.own_size


@dataclass(frozen=True, kw_only=True)
class CleanRequest:
    """What is to go, of what nothing uses; `dry_run` only says it."""

    dry_run: bool
    unused_only: bool = False
    """Only what no environment needs as it stands."""
    older_than_days: float | None = None
    """Only what was neither used nor made in that time."""
    others: bool = False
    """Also what other installations made."""


@dataclass(frozen=True, kw_only=True)
class KeptImage:
    tag: str
    why: str
    others: bool = False
    """It stayed because another installation made it, and those were not asked for."""


@dataclass(frozen=True, kw_only=True)
class CleanReport:
    """What a clean-up removed (or, as a preview, would remove) and kept; `freed_bytes` on the engine's disk."""

    removed: tuple[str, ...]
    kept: tuple[KeptImage, ...]
    freed_bytes: int
    dry_run: bool
    leftovers: tuple[Leftover, ...] = ()
    """What killed processes had left, and went (or would go) as well."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor's report: `ok` None means not needed here."""

    name: str
    ok: bool | None
    text: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class ShownSecret:
    """A secret of an environment without its value."""

    name: str
    stages: tuple[str, ...]
    as_variable: bool
    has_value: bool


@dataclass(frozen=True, kw_only=True)
class StartupFigures:
    """Seconds to the first byte of a bare container, a cached and an uncached task; milliseconds to decide."""

    bare_s: tuple[float, ...]
    """On the network that the tasks are on: the same as one of the next two."""
    bare_shared_s: tuple[float, ...]
    """On the engine's own network, where containers reach each other."""
    bare_apart_s: tuple[float, ...]
    """On the application's network, where they do not."""
    cached_s: tuple[float, ...]
    uncached_s: tuple[float, ...]
    decide_ms: tuple[float, ...]

    @property
    def ratio_cached_to_bare(self) -> float:
        """How much longer a cached start takes than a bare container, as a ratio of the medians."""
        return statistics.median(self.cached_s) / statistics.median(self.bare_s)

    @property
    def ratio_apart_to_shared(self) -> float:
        """What the application's network costs a bare container, by the medians."""
        return statistics.median(self.bare_apart_s) / statistics.median(self.bare_shared_s)

    @property
    def ratio_uncached_to_cached(self) -> float:
        """How much longer an uncached start takes than a cached one, as a ratio of the medians."""
        return statistics.median(self.uncached_s) / statistics.median(self.cached_s)


@dataclass(frozen=True, kw_only=True)
class ActiveTasks:
    """Tasks of this process that have not ended, by id: those with a container, and those without one yet."""

    running: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.running or self.waiting)


@dataclass(frozen=True, kw_only=True)
class DesktopAddress:
    """What a browser on this machine opens to see a task's desktop; the fragment of `url` holds its token."""

    task: str
    url: str
    view_only: bool


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG; `live` False for the last one of a task that has ended."""

    data: bytes
    live: bool
