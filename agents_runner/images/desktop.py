"""The desktop layer: its inputs as a layer's, and what its install's exit statuses mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import BuildFailed
from agents_runner.core.imageplan import LayerInputs, sha256
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.desktop import families
from agents_runner.launcher.files import recipe

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, kw_only=True)
class InstallFailure:
    """Why there is no desktop, for whoever builds its layer and for the task that goes on without it."""

    message: str
    advice: str = ""
    """What the person can do about it; "" where only the log knows."""

    @property
    def hint(self) -> str:
        """What to do about it, when the layer was being built."""
        return self.task_hint if self.advice else "Its last lines say why."

    @property
    def task_hint(self) -> str:
        """What to do about it, when a task's start installs the desktop."""
        return f"The task runs without a screen; {self.advice or 'the log says more'}."


UNSUPPORTED = InstallFailure(
    message="The desktop cannot be installed on this base image: it is no Debian, Ubuntu or Arch.",
    advice="choose another base image for one",
)
NO_RIGHTS = InstallFailure(
    message="The desktop cannot be installed: the base image's user is neither root nor has sudo without a password.",
    advice="allow sudo in the base image, or install the desktop in it",
)


def desktop_inputs(config: DockerRunnerConfig, base: ImageInfo) -> LayerInputs:
    """What the layer depends on: our scripts, the base, the person's number; nothing of the environment's but a way
    through a proxy."""
    return LayerInputs(
        kind="desktop",
        step="",
        script=families.install_script(),
        env_vars=proxies(config.env_vars),
        identity=f"{config.uid}:{config.gid}",
        platform=config.platform or base.platform,
        recipe=sha256(f"{recipe()}{families.recipe()}".encode("ascii")),
    )


def proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that lead through a proxy, of those that an environment sets."""
    return {name: value for name, value in variables.items() if name.lower() in _PROXIES}


def explanation(status: int) -> InstallFailure:
    """What an install that ended with this exit status means."""
    if status == families.UNKNOWN_BASE:
        return UNSUPPORTED
    if status == families.NO_RIGHTS:
        return NO_RIGHTS
    return InstallFailure(message=f"The desktop could not be installed (exit code {status}).")


def is_hopeless(error: BaseException | None) -> bool:
    """True for a failed build that cannot go better at task start: the same image, the same user."""
    return isinstance(error, BuildFailed) and error.status in (families.UNKNOWN_BASE, families.NO_RIGHTS)
