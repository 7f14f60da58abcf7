"""Looking at a task's desktop: the address that opens it, pictures of it, and the last one that is kept."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from agents_runner.core.container import task_container
from agents_runner.core.errors import NoDesktop, StoreError
from agents_runner.core.task import Task
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.desktop import container_paths
from agents_runner.desktop.access_tokens import AccessTokens, answers
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.runner.services import DesktopAddress, Picture
from agents_runner.runner.tasks.workers import Workers

TOKENS_FILE = "desktop.json"
PICTURE_FILE = "desktop.png"
PICTURE_TIMEOUT_S = 20.0
MAX_PICTURE = 32 * 1024 * 1024


class DesktopProxyPort(Protocol):
    """What a task needs of its desktop's proxy; see `desktop.proxy.DesktopProxy`."""

    @property
    def url(self) -> str: ...
    def attach(self, container: str) -> None: ...
    def close(self) -> None: ...


class DesktopsPort(Protocol):
    """What tasks need for their desktops; see `DesktopService`."""

    def open(self, config: DockerRunnerConfig, engine: Engine) -> DesktopProxyPort:
        """Open the way to a task's desktop. Raises StoreError."""
        ...

    def keep_picture(self, task_id: str, data: bytes) -> None:
        """Keep the last picture of a task's desktop, a PNG. Raises StoreError."""
        ...


class TaskFiles(Protocol):
    """What is kept of a task beside its record: small private files in its folder."""

    def get(self, task_id: str) -> Task: ...
    def config(self, task_id: str) -> str: ...
    def keep(self, task_id: str, name: str, data: bytes) -> None: ...
    def kept(self, task_id: str, name: str) -> bytes | None: ...
    def forget(self, task_id: str, name: str) -> None: ...


def take_picture(engine: Engine, container: str, user: str, timeout: float = PICTURE_TIMEOUT_S) -> bytes:
    """A PNG of a running container's screen. Raises NoDesktop, EngineError."""
    ran = engine.run_in(
        container,
        container_paths.as_person(user, container_paths.PICTURE),
        user=container_paths.ROOT,
        timeout=timeout,
    )
    if ran.exit_code or not container_paths.is_picture(ran.stdout) or len(ran.stdout) > MAX_PICTURE:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NoDesktop(
            f"No picture could be taken: {said[-1][:200] if said else 'nothing came'}.".replace("..", ".")
        )
    return ran.stdout


def last_picture(engine: Engine, container: str) -> bytes | None:
    """What the launcher took when the agent ended; None where there is none. Raises EngineError."""
    data = engine.get_file(container, container_paths.LAST_PICTURE, limit=MAX_PICTURE)
    return data if container_paths.is_picture(data) else None


@dataclass(frozen=True, kw_only=True)
class DesktopService:
    """See `runner.services.DesktopPort`; also opens the proxy of a task that begins."""

    engine: EngineFactory
    files: TaskFiles
    asking: Executor = field(default_factory=lambda: Workers(limit=4, name="desktop-engine"))
    """Threads that talk to the engine for all proxies."""

    # -- for the task itself -----------------------------------------------------------------------

    def open(self, config: DockerRunnerConfig, engine: Engine) -> DesktopProxyPort:
        """The task's proxy; at the same place and with the same tokens as one that a killed application left.

        Raises StoreError where it cannot be opened or its tokens cannot be kept.
        """
        # Imported here: a task without a desktop does not wait for a WebSocket server.
        from agents_runner.desktop.proxy import DesktopProxy

        task_id = config.task_id
        proxy = DesktopProxy(engine, user=_user(config), asking=self.asking, earlier=self._tokens(task_id))
        try:
            self.files.keep(task_id, TOKENS_FILE, proxy.tokens.to_json())
        except StoreError:
            proxy.close()
            raise
        return _RecordedProxy(proxy=proxy, files=self.files, task_id=task_id)

    def close(self) -> None:
        self.asking.shutdown(wait=False, cancel_futures=True)

    def keep_picture(self, task_id: str, data: bytes) -> None:
        self.files.keep(task_id, PICTURE_FILE, data)

    # -- for people --------------------------------------------------------------------------------

    def address(self, task_id: str, *, view_only: bool = False) -> DesktopAddress:
        task = self.files.get(task_id)
        tokens = self._tokens(task.id)
        if tokens is None or task.state.final:
            raise self._missing(task)
        if not answers(tokens.port):
            raise NoDesktop(
                f"The desktop of task {task.id} cannot be reached: the application that runs it does not answer.",
                "It can be reached again once the application has resumed the task.",
            )
        return DesktopAddress(
            task=task.id, url=tokens.address("view" if view_only else "control"), view_only=view_only
        )

    def picture(self, task_id: str) -> Picture:
        task = self.files.get(task_id)
        kept = self.files.kept(task.id, PICTURE_FILE)
        if task.state.final:
            if kept is None:
                raise self._missing(task, picture=True)
            return Picture(data=kept, live=False)
        config = DockerRunnerConfig.model_validate_json(self.files.config(task.id))
        if not config.headless_desktop_enabled:
            raise self._missing(task)
        return Picture(data=take_picture(self.engine(), task_container(task.id), _user(config)), live=True)

    def _missing(self, task: Task, *, picture: bool = False) -> NoDesktop:
        config = DockerRunnerConfig.model_validate_json(self.files.config(task.id))
        if not config.headless_desktop_enabled:
            return NoDesktop(
                f"Task {task.id} has no desktop.", "Turn the desktop on in its environment and run it again."
            )
        if task.state.final and picture:
            return NoDesktop(f"Task {task.id} has ended without a last picture of its desktop.")
        if task.state.final:
            hint = "`agents-runner tasks screenshot` gives its last picture, where there is one."
            return NoDesktop(f"Task {task.id} has ended, and its desktop with it.", hint)
        return NoDesktop(
            f"The desktop of task {task.id} is not there (yet).", "Its log says what it waits for or what went wrong."
        )

    def _tokens(self, task_id: str) -> AccessTokens | None:
        return AccessTokens.from_json(self.files.kept(task_id, TOKENS_FILE))


@dataclass(frozen=True, kw_only=True)
class _RecordedProxy:
    """A proxy whose tokens are forgotten when it is closed."""

    proxy: DesktopProxyPort
    files: TaskFiles
    task_id: str

    @property
    def url(self) -> str:
        return self.proxy.url

    def attach(self, container: str) -> None:
        self.proxy.attach(container)

    def close(self) -> None:
        self.proxy.close()
        self.files.forget(self.task_id, TOKENS_FILE)


def _user(config: DockerRunnerConfig) -> str:
    return f"{config.uid}:{config.gid}"
