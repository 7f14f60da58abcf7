"""Making sure that a plan's layers are there: look, build what is missing, or fall back and say so."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace

from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import AgentsRunnerError, BuildFailed, Cancelled, EngineError
from agents_runner.core.events import Cache, Event, LayerDone, LogLine, Notice, Phase, PhaseFinished, PhaseStarted
from agents_runner.core.imageplan import ImagePlan, Kind, Layer, without
from agents_runner.engine.port import Engine
from agents_runner.images.build import LayerBuild
from agents_runner.images.context import BuildContext
from agents_runner.images.desktop import is_hopeless
from agents_runner.images.layer_job import is_layer

log = logging.getLogger(__name__)
_PHASES: tuple[tuple[Kind, Phase], ...] = (("desktop", Phase.BUILD_DESKTOP), ("env", Phase.BUILD_ENV))
_NAMES = {"desktop": "desktop layer", "env": "environment layer"}


@dataclass(frozen=True, kw_only=True)
class Ensured:
    """The image to start from (`image_id`, `image` its name) and which layers of the plan it holds, by kind."""

    image: str
    image_id: str
    baked: dict[Kind, int] = field(default_factory=dict)
    error: AgentsRunnerError | None = None
    """Why a layer of the environment that was asked for is not in it; None if all are."""
    desktop_error: AgentsRunnerError | None = None
    """The same of the desktop's layer, whose failure does not keep the environment's from being used."""


def look(engine: Engine, plan: ImagePlan) -> int:
    """How many layers are there, from the lowest: the highest that is found holds those below it."""
    for count in range(len(plan.layers), 0, -1):
        if is_layer(engine.find_image(plan.layers[count - 1].tag), plan.layers[count - 1]):
            return count
    return 0


@dataclass(kw_only=True)
class Ensurer:
    """Brings a plan's layers about. `force` builds them anew, over those that are there."""

    context: BuildContext
    force: bool = False

    def run(self, plan: ImagePlan) -> Generator[Event, None, Ensured]:
        """Yields phases, lines and notices. A failing build never raises: it ends in a fallback."""
        result = Ensured(image=plan.base_ref, image_id=plan.base_id)
        there = self._highest(plan.layers)
        for kind, phase in _PHASES:
            layers = plan.of(kind)
            if not layers:
                continue
            yield PhaseStarted(phase=phase)
            began = time.monotonic()
            done = yield from self._kind(kind, layers, plan, there, result)
            result = done.result
            yield PhaseFinished(
                phase=phase, seconds=time.monotonic() - began, ok=done.error is None, cache=done.cache
            )
            if done.error is None:
                continue
            if kind == "desktop":
                # The environment's layers do without: they are built on the base, or are there already.
                yield from _no_desktop(done.error)
                result = replace(result, desktop_error=done.error)
                plan = without(plan, "desktop")
                there = self._highest(plan.layers)
                continue
            yield from _fallback(done.error, kind, done.result.baked.get(kind, 0), len(layers))
            return replace(result, error=done.error)
        return result

    def _kind(
        self, kind: Kind, layers: tuple[Layer, ...], plan: ImagePlan, there: dict[str, ImageInfo], below: Ensured
    ) -> Generator[Event, None, _Done]:
        done = _Done(result=below, cache="hit")
        for layer in layers:
            image = there.get(layer.key)
            if image is not None:
                done = done.with_layer(kind, layer, image)
                yield LayerDone(kind=kind, step=layer.step, tag=layer.tag, result="hit", seconds=0.0)
                continue
            try:
                image = yield from self._build(layer, plan)
            except Cancelled:
                raise
            except AgentsRunnerError as error:
                return replace(done, error=error, cache="fallback")
            except Exception:
                # A cache never makes a task fail: what nobody foresaw in a build is a failed build.
                log.exception("the build of %s ended by an unexpected error", layer.tag)
                crash = BuildFailed("The build ended by an error of the application.", "Its log has the details.")
                return replace(done, error=crash, cache="fallback")
            done = replace(done.with_layer(kind, layer, image), cache="built")
        return done

    def _build(self, layer: Layer, plan: ImagePlan) -> Generator[Event, None, ImageInfo]:
        old = self.context.engine.find_image(layer.tag) if self.force else None
        image = yield from LayerBuild(
            context=self.context,
            layer=layer,
            base_ref=plan.base_ref,
            superseded_id=old.id if old else "",
        ).run()
        if old is not None and old.id != image.id:
            self._remove_superseded(old)
        return image

    def _remove_superseded(self, old: ImageInfo) -> None:
        """The image that a forced build took the tag from; kept while a container or a layer above needs it."""
        left = self.context.engine.find_image(old.id)
        if left is not None and not left.tags and left.labels.get(labels.IMAGE_MANAGED) == "true":
            with contextlib.suppress(EngineError):
                self.context.engine.remove_tag(old.id)

    def _highest(self, layers: tuple[Layer, ...]) -> dict[str, ImageInfo]:
        """By key, the layers up to the highest that is there: those below it are in it, tagged or not."""
        if self.force:
            return {}
        for count in range(len(layers), 0, -1):
            try:
                image = self.context.engine.find_image(layers[count - 1].tag)
            except EngineError:
                return {}  # the build will say what is wrong with the engine
            if image is not None and is_layer(image, layers[count - 1]):
                return {layer.key: image for layer in layers[:count]}
        return {}


@dataclass(frozen=True, kw_only=True)
class _Done:
    result: Ensured
    cache: Cache
    error: AgentsRunnerError | None = None

    def with_layer(self, kind: Kind, layer: Layer, image: ImageInfo) -> _Done:
        baked = {**self.result.baked, kind: self.result.baked.get(kind, 0) + 1}
        return replace(self, result=replace(self.result, image=layer.tag, image_id=image.id, baked=baked))


def _no_desktop(error: AgentsRunnerError) -> Generator[Event, None, None]:
    if is_hopeless(error):
        yield Notice(message=error.message, hint=error.hint)
        return
    yield Notice(
        message=f"The desktop layer could not be built: {error.message} It is installed at task start instead.",
        hint=error.hint,
    )
    yield from _last_lines(error)


def _fallback(error: AgentsRunnerError, kind: Kind, baked: int, wanted: int) -> Generator[Event, None, None]:
    what = "The rest of the cached preflight" if baked and wanted > 1 else "The cached preflight"
    yield Notice(
        message=f"The {_NAMES[kind]} could not be built: {error.message} {what} runs at task start instead.",
        hint=error.hint,
    )
    yield from _last_lines(error)


def _last_lines(error: AgentsRunnerError) -> Generator[Event, None, None]:
    if isinstance(error, BuildFailed):
        for line in error.tail[-5:]:
            yield LogLine(stream="system", line=f"  | {line}")
