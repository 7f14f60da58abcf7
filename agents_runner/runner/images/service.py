"""Planning, building and cleaning of cached images: the use cases behind `plan`, `build`, `images` and `clean`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from agents_runner.core.clock import Clock
from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, ImageMissing
from agents_runner.core.events import Event
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.results import Listing
from agents_runner.core.settings import CachePolicy
from agents_runner.core.task import new_task_id
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.images import catalogue
from agents_runner.images.catalogue import CacheRule, LayerRule
from agents_runner.images.ensure import look
from agents_runner.images.packagecaches import KIND, PackageCache, find_caches
from agents_runner.images.planning import plan_image, plan_start
from agents_runner.images.retention import DAY_S, GRACE_S, Keep, UsageKnowledge, reasons_to_keep
from agents_runner.runner.images.building import ImageBuilder
from agents_runner.runner.images.leftovers import LeftoversPort, NoLeftovers
from agents_runner.runner.images.refreshing import refreshable
from agents_runner.runner.ports import HostsPort, SettingsSource
from agents_runner.runner.services import CachedImage, CleanReport, CleanRequest, DesktopPlan, KeptImage, PlannedImage
from agents_runner.runner.tasks.plan_launch import plan_launch
from agents_runner.store.image_uses import ImageUse


class ImageUses(Protocol):
    """What the database remembers of images; see `store.image_uses`."""

    def all(self) -> Mapping[str, ImageUse]: ...
    def plan_of(self, environment_id: str) -> tuple[str, ...]: ...
    def forget(self, tags: Iterable[str]) -> None: ...
    def last_builds(self) -> Mapping[str, float]: ...


class Environments(Protocol):
    """See `runner.services.EnvironmentsPort`."""

    def list(self) -> Listing: ...


@dataclass(frozen=True, kw_only=True)
class ImageService:
    """See `runner.services.ImagesPort`."""

    engine: EngineFactory
    hosts: HostsPort
    environments: Environments
    uses: ImageUses
    builder: ImageBuilder
    settings: SettingsSource
    leftovers: LeftoversPort = field(default_factory=NoLeftovers)
    clock: Clock = time.time
    """Seconds since the epoch."""

    def plan(self, environment: Environment) -> PlannedImage:
        config = self._config(environment)
        engine = self.engine()
        base = engine.find_image(config.base_image)
        if base is None:
            raise ImageMissing(
                f"The base image {config.base_image} is not on this engine yet.",
                "It is pulled at the first run; `agents-runner build` does it now.",
            )
        plan = plan_image(config, base)
        baked = look(engine, plan)
        start = plan_start(config, baked=len(plan.of("env")))
        notice = ""
        if environment.cache_container_build and environment.preflight_enabled and environment.single_script:
            notice = (
                "Caching is on, but the cached preflight is empty: everything still runs at task start. "
                "Move the slow installs to the cached preflight, by hand or with auto-split."
            )
        states = tuple("hit" if number < baked else "miss" for number in range(len(plan.layers)))
        return PlannedImage(
            plan=plan, states=states, at_start=start.at_start, notice=notice, desktop=_desktop(config, plan)
        )

    def build(self, environment: Environment, *, force: bool = False) -> Iterator[Event]:
        yield from self.builder.build(self._config(environment), force=force)

    def refresh(self, environment: Environment) -> Iterator[Event]:
        yield from self.builder.refresh(environment, self._config(environment))

    def refresh_due(self, environment: Environment) -> bool:
        """True if it is worth a look at the registry and the layers' age: there is something to refresh."""
        return refreshable(environment) and self.plan(environment).hit

    def list(self) -> tuple[CachedImage, ...]:
        engine = self.engine()
        names = self._names_by_tag(engine)
        uses = self.uses.all()
        images = tuple(_shown(one, names, uses.get(one.tag)) for one in catalogue.find(engine))
        return images + self._caches(engine)

    def _caches(self, engine: Engine) -> tuple[CachedImage, ...]:
        """Package caches, shown beside the images."""
        found = find_caches(engine)
        known = {one.id: one for one in self.environments.list().environments} if found else {}
        built = self.uses.last_builds() if found else {}
        return tuple(
            CachedImage(
                tag=one.name,
                id=one.name,
                kind=KIND,
                step="",
                key="",
                size=one.size,
                own_size=one.size,
                created=one.created,
                last_used=built.get(one.environment),
                environments=(known[one.environment].name,) if one.environment in known else (),
                in_use=bool(one.users),
            )
            for one in found
        )

    def clean(self, request: CleanRequest) -> CleanReport:
        engine, older = self.engine(), request.older_than_days
        names = self._names_by_tag(engine) if request.unused_only else {}
        uses = self.uses.all() if older is not None else {}
        now = self.clock()
        ours = ("", self.hosts.host().instance)
        cache_rule = self._cache_rule(older, request.unused_only)

        def foreign(instance: str) -> bool:
            return not request.others and instance not in ours

        def reason_to_keep(one: catalogue.CachedLayer) -> str:
            if foreign(one.instance):
                return Keep.OTHERS
            users = names.get(one.tag, ())
            if users:
                return f"used by environment {', '.join(users)}"
            if older is not None:
                use = uses.get(one.tag)
                last = max(one.image.created, (use.last_used or 0.0) if use else 0.0)
                if now - last < older * DAY_S:
                    return f"used or made within {older:g} days"
            return ""

        def reason_to_keep_cache(one: PackageCache) -> str:
            return Keep.OTHERS if foreign(one.instance) else cache_rule(one)

        left = self.leftovers.find()
        if not request.dry_run:
            left = self.leftovers.remove(left)
        # First, since containers hold images; in a preview they count as gone.
        leaving = frozenset(one.name for one in left if one.kind == "container")
        networks = self.leftovers.networks(leaving)
        left += networks if request.dry_run else self.leftovers.remove(networks)
        report = self._cleaned(engine, reason_to_keep, reason_to_keep_cache, dry_run=request.dry_run, leaving=leaving)
        return replace(report, leftovers=left)

    def _cache_rule(self, older_than_days: float | None, unused_only: bool) -> CacheRule:
        """Why a package cache stays: pure once made."""
        environments = {one.id: one for one in self.environments.list().environments}
        built = self.uses.last_builds()
        now = self.clock()

        def stays(one: PackageCache) -> str:
            environment = environments.get(one.environment)
            if unused_only and environment is not None and environment.package_caches:
                return f"used by environment {environment.name}"
            last = max(one.created, built.get(one.environment, 0.0))
            if older_than_days is not None and now - last < older_than_days * DAY_S:
                return f"used or made within {older_than_days:g} days"
            return ""

        return stays

    def collect(self) -> CleanReport:
        """Remove what the policy in the settings lets go; never another installation's images."""
        policy = self.settings.load().cache
        if not policy.collect:
            return CleanReport(removed=(), kept=(), freed_bytes=0, dry_run=False)
        engine = self.engine()
        seen = catalogue.find_all(engine)
        stay = reasons_to_keep(seen, self._known(engine), policy, self.clock())
        going = {one.tag for one in seen} - set(stay)
        # What appears after the look was made just now: it stays.
        return self._cleaned(
            engine,
            lambda one: "" if one.tag in going else stay.get(one.tag, Keep.JUST_MADE),
            self._cache_collected(policy),
            dry_run=False,
        )

    def _cache_collected(self, policy: CachePolicy) -> CacheRule:
        """Ours go with their environment, when it no longer wants one, and by age."""
        instance = self.hosts.host().instance
        needed = self._cache_rule(None, True)
        days = GRACE_S / DAY_S
        fresh = self._cache_rule(days, False)
        young = self._cache_rule(policy.max_age_days, False) if policy.max_age_days else None

        def stays(one: PackageCache) -> str:
            if one.instance != instance:
                return Keep.OTHERS
            return fresh(one) or (needed(one) if young is None or young(one) else "")

        return stays

    def _known(self, engine: Engine) -> UsageKnowledge:
        uses = self.uses.all()
        environments = self.environments.list().environments
        bases: dict[str, ImageInfo | None] = {}
        needed: set[str] = set()
        for environment in environments:
            plan = self._plan_of(engine, environment, bases)
            # Without its base image nobody knows what it needs now; what it needed last may be needed again.
            needed.update([layer.tag for layer in plan.layers] if plan else self.uses.plan_of(environment.id))
        return UsageKnowledge(
            instance=self.hosts.host().instance,
            needed=frozenset(needed),
            environments={tag: use.environments for tag, use in uses.items()},
            last_used={tag: use.last_used for tag, use in uses.items() if use.last_used is not None},
            existing=frozenset(environment.id for environment in environments),
        )

    def _cleaned(
        self,
        engine: Engine,
        reason_to_keep: LayerRule,
        reason_to_keep_cache: CacheRule = lambda _one: Keep.NOT_ASKED,
        *,
        dry_run: bool,
        leaving: frozenset[str] = frozenset(),
    ) -> CleanReport:
        images = catalogue.clean(engine, reason_to_keep=reason_to_keep, dry_run=dry_run, leaving=leaving)
        caches = catalogue.clean_caches(engine, reason_to_keep=reason_to_keep_cache, dry_run=dry_run, leaving=leaving)
        report = catalogue.Cleaned(
            removed=images.removed + caches.removed,
            kept=images.kept + caches.kept,
            freed_bytes=images.freed_bytes + caches.freed_bytes,
        )
        if not dry_run:
            self.uses.forget(report.removed)
        return CleanReport(
            removed=report.removed,
            kept=tuple(KeptImage(tag=one.tag, why=one.why, others=one.why is Keep.OTHERS) for one in report.kept),
            freed_bytes=report.freed_bytes,
            dry_run=dry_run,
        )

    def remove(self, tags: frozenset[str]) -> None:
        self._cleaned(
            self.engine(),
            lambda one: "" if one.tag in tags or not one.named else Keep.NOT_ASKED,
            dry_run=False,
        )

    # -- helpers -----------------------------------------------------------------------------------

    def _config(self, environment: Environment) -> DockerRunnerConfig:
        return plan_launch(environment, task_id=new_task_id(), agent=None, host=self.hosts.host(), kind="test")

    def _names_by_tag(self, engine: Engine) -> Mapping[str, tuple[str, ...]]:
        """Which environments a layer belongs to by their plans as they stand now."""
        bases: dict[str, ImageInfo | None] = {}
        names: dict[str, list[str]] = {}
        for environment in self.environments.list().environments:
            plan = self._plan_of(engine, environment, bases)
            for layer in plan.layers if plan else ():
                names.setdefault(layer.tag, []).append(environment.name)
        return {tag: tuple(sorted(found)) for tag, found in names.items()}

    def _plan_of(
        self, engine: Engine, environment: Environment, bases: dict[str, ImageInfo | None]
    ) -> ImagePlan | None:
        try:
            config = self._config(environment)
        except AgentsRunnerError:
            return None  # an environment that cannot start uses no image
        if config.base_image not in bases:
            bases[config.base_image] = engine.find_image(config.base_image)
        base = bases[config.base_image]
        return plan_image(config, base) if base else None


def _desktop(config: DockerRunnerConfig, plan: ImagePlan) -> DesktopPlan:
    if not config.headless_desktop_enabled:
        return "off"
    return "layer" if plan.of("desktop") else "at-start"


def _shown(one: catalogue.CachedLayer, names: Mapping[str, tuple[str, ...]], use: ImageUse | None) -> CachedImage:
    return CachedImage(
        tag=one.tag,
        id=one.image.id,
        kind=one.kind,
        step=one.image.labels.get("io.agents-runner.image.step", ""),
        key=one.key,
        size=one.image.size,
        own_size=one.own_size,
        created=one.image.created,
        last_used=use.last_used if use else None,
        environments=names.get(one.tag, ()),
        in_use=bool(one.users),
        hits=use.hits if use else 0,
        seconds_saved=use.seconds_saved if use else 0.0,
    )
