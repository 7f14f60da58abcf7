"""A task's desktop as its run sees it: whether there is one, who may look at it, its last picture."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from agents_runner.core.errors import EngineError, NoDesktop, StoreError
from agents_runner.core.events import Notice, Phase
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.desktop.families import install_script, start_files
from agents_runner.engine.port import Engine
from agents_runner.images.desktop import InstallFailure, explanation, is_hopeless
from agents_runner.images.ensure import Ensured
from agents_runner.launcher.files import DesktopStart
from agents_runner.runner.tasks.desktop import DesktopProxyPort, DesktopsPort, last_picture, take_picture

DESKTOP_PHASES = (Phase.DESKTOP_INSTALL, Phase.DESKTOP)
LAST_PICTURE_TIMEOUT_S = 5.0


@dataclass(kw_only=True)
class TaskScreen:
    """One task's. Nothing that goes wrong with it is a reason for the task to fail."""

    config: DockerRunnerConfig
    engine: Engine
    desktops: DesktopsPort | None
    """None where nobody is to look at it."""
    _proxy: DesktopProxyPort | None = None
    _there: bool = False

    def start(self, ensured: Ensured) -> DesktopStart | None:
        """What the launcher needs to start it, and to install it where no layer holds it; None for no desktop."""
        if not self._is_wanted(ensured):
            return None
        install = not ensured.baked.get("desktop")
        files = start_files() | ({"install.sh": install_script()} if install else {})
        return DesktopStart(files=files, install=install, url=self._proxy.url if self._proxy else "")

    def open(self, ensured: Ensured) -> Iterator[Notice]:
        """Open its proxy, before there is anything behind it."""
        if self.desktops is None or not self._is_wanted(ensured):
            return
        try:
            self._proxy = self.desktops.open(self.config, self.engine)
        except StoreError as error:
            yield Notice(message=f"Nobody can look at the desktop: {error.message}", hint=error.hint)

    def reopen(self) -> None:
        """Open the proxy of a task that is resumed; without one the task goes on all the same."""
        if self.desktops is not None and self.config.headless_desktop_enabled:
            with contextlib.suppress(StoreError):
                self._proxy = self.desktops.open(self.config, self.engine)

    def attach(self, container: str) -> None:
        """Lead viewers to this container, before its screen is there: they are connected the moment it is."""
        if self._proxy is not None:
            self._proxy.attach(container)

    def close(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            proxy.close()

    def stage_over(self, phase: Phase, code: int, tail: Iterable[str]) -> Iterator[Notice]:
        """Installing or starting it has ended; a failure is said, and the task goes on without."""
        if code:
            self.close()
            failure = explanation(code) if phase is Phase.DESKTOP_INSTALL else _not_started(tail)
            yield Notice(message=failure.message, hint=failure.task_hint)
        elif phase is Phase.DESKTOP:
            self._there = True

    def picture_now(self, container: str) -> None:
        """Keep what is on it, before the container is stopped."""
        user = f"{self.config.uid}:{self.config.gid}"
        self._keep(lambda: take_picture(self.engine, container, user, timeout=LAST_PICTURE_TIMEOUT_S))

    def picture_at_end(self, container: str) -> None:
        """Keep the picture that the launcher took when the agent had ended."""
        self._keep(lambda: last_picture(self.engine, container))

    def _is_wanted(self, ensured: Ensured) -> bool:
        return self.config.headless_desktop_enabled and not is_hopeless(ensured.desktop_error)

    def _keep(self, take: Callable[[], bytes | None]) -> None:
        if not self._there or self.desktops is None:
            return
        with contextlib.suppress(EngineError, NoDesktop, StoreError):
            data = take()
            if data:
                self.desktops.keep_picture(self.config.task_id, data)


def _not_started(tail: Iterable[str]) -> InstallFailure:
    said = next((line for line in tail if line.startswith("desktop: ") and " ended " in line), "")
    reason = f": {said.removeprefix('desktop: ').partition('. Its last')[0]}" if said else ""
    return InstallFailure(message=f"The desktop did not start{reason}.")
