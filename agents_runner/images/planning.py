"""Which layers a task needs, and what is left to run at its start: decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from agents_runner.core.container import ImageInfo
from agents_runner.core.events import Phase
from agents_runner.core.imageplan import ImagePlan, LayerInputs, plan_layers
from agents_runner.core.scripts import normalise
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.images.desktop import desktop_inputs
from agents_runner.launcher.files import Stage, recipe
from agents_runner.preflight.steps import Step, split_steps


def cached_steps(config: DockerRunnerConfig) -> tuple[Step, ...]:
    """The cached preflight's steps, as they will run; empty if there is nothing to run."""
    return _steps(config.cached_preflight_script) if config.preflight_enabled else ()


@lru_cache(maxsize=8)
def _steps(typed: str) -> tuple[Step, ...]:
    """A task asks several times: for its layers, and for what is left to run at its start."""
    text = normalise(typed)
    return split_steps(text) if text.strip() else ()


def plan_image(config: DockerRunnerConfig, base: ImageInfo) -> ImagePlan:
    """The layers that the configuration's toggles ask for, on top of this very base image."""
    inputs: list[LayerInputs] = []
    if config.headless_desktop_enabled and config.desktop_cache_enabled:
        inputs.append(desktop_inputs(config, base))
    if config.container_cache_enabled:
        inputs += [_env_inputs(config, base, step) for step in cached_steps(config)]
    return plan_layers(base_ref=config.base_image, base_id=base.id, inputs=inputs)


def _env_inputs(config: DockerRunnerConfig, base: ImageInfo, step: Step) -> LayerInputs:
    return LayerInputs(
        kind="env",
        step=step.name,
        script=step.text,
        env_vars=config.env_vars,
        identity=f"{config.uid}:{config.gid}",
        platform=config.platform or base.platform,
        input_files=config.input_files,
        secrets=_build_secrets(config),
        recipe=recipe(),
    )


def _build_secrets(config: DockerRunnerConfig) -> tuple[str, ...]:
    """Names of what the build sees, and the environment, whose values they stand for: no value is in a key.

    Two environments with secrets of one name have values of their own, and so images of their own.
    """
    names = sorted(
        f"{grant.name}{' as variable' if grant.as_variable else ''}"
        for grant in config.secrets
        if grant.seen_by("build")
    )
    return (f"environment {config.environment_id}", *names) if names else ()


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """What a container started from an image with the first `baked` env layers in it still has to run."""

    stages: tuple[Stage, ...]

    @property
    def at_start(self) -> tuple[str, ...]:
        return tuple(stage.phase.removeprefix("preflight.") for stage in self.stages)


def plan_start(config: DockerRunnerConfig, *, baked: int) -> StartPlan:
    """Never decides whether a script runs, only when: each step is baked or runs at the start."""
    stages: list[Stage] = []
    left = cached_steps(config)[baked:]
    if left:
        stages.append(Stage(phase=Phase.CACHED, scripts=tuple(step.text for step in left)))
    text = normalise(config.run_preflight_script)
    if config.preflight_enabled and text.strip():
        stages.append(Stage(phase=Phase.RUN, scripts=(text,)))
    return StartPlan(stages=tuple(stages))
