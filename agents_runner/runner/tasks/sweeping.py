"""After a task: what it left in the person's folders is looked at, put right, and told in one notice."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agents_runner.containers.cancellation import Cancellation, NeverCancelled
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.plain import PlainContainer
from agents_runner.containers.tools import HostTools
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, ContainerState, ImageInfo, task_container
from agents_runner.core.environment import FolderWorkspace, GitWorkspace
from agents_runner.core.errors import Cancelled, Detached, EngineError, LimitReached, StoreError, WorkspaceError
from agents_runner.core.events import Event, Notice
from agents_runner.core.mounts import Mount
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine
from agents_runner.launcher.tools import TOOLS, through_loader, unsafe_variables
from agents_runner.workspace.live_sweep import MAX_NAMES, LiveSweep, Names, NeverInterrupted, SweepReport

MEND_S = 120.0
"""Seconds that the mending of one folder may take."""
LEFT_MEND_S = 2.0
"""Seconds that an application which ends, and leaves its tasks, follows the mending of one folder."""
_CLOCK_S = 0.05
"""A file system's clock may be so much behind the one that we read."""
_MENDED = "/mended"
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
_FIND, _CHMOD, _CHOWN = (" ".join(through_loader(program)) for program in ("find", "chmod", "chown"))
# By find itself and in each file's own folder: no name is looked up on the way, and nothing else is mounted there.
# Only what is newer than the start; a file with more names may be an old one's, and keeps its owner. Find insists on
# a PATH without relative folders; nothing is looked up by it.
_SCRIPT = f"""
export PATH=/nowhere
{_FIND} -P {_MENDED} '(' -type b -o -type c ')' -newerct "@$1" -delete &&
{_FIND} -P {_MENDED} -type f -newerct "@$1" -perm /6000 -execdir {_CHMOD} ug-s '{{}}' + &&
{_FIND} -P {_MENDED} -type f -newerct "@$1" -links 1 ! -uid "$2" -execdir {_CHOWN} -h "$2:$3" '{{}}' +
"""


class Mending(Enum):
    """How far the mending of a folder has come."""

    DONE = "done"
    GOES_ON = "goes on"
    """Its container runs: nobody waits for it any more."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """What the look after a task works with; `since` is when its container was made, in seconds since the epoch."""

    engine: Engine
    config: DockerRunnerConfig
    cancel: Cancellation
    tools: HostTools
    workspace: str
    """The folder on this machine that the task worked in, "" where there is none."""
    since: float

    def events(self) -> Generator[Event, None, None]:
        """Look, mend and tell; never fails a task. Only after every process of its container has ended.

        What only root can put right is put right after a stop as well: it would stay for good otherwise, since a
        later look goes by a later start. Only the waiting is short then.
        """
        found = {root: self._look(root) for root in self._roots()}
        left: list[SweepReport] = []
        under_way: list[str] = []
        for number, (root, report) in enumerate(found.items()):
            if not report.needs_mending:
                continue
            name = f"{task_container(self.config.task_id)}-mend{number or ''}"
            mending = self._mend(name, root)
            if mending is Mending.GOES_ON:
                under_way.append(name)
            left.append(self._again(root) if mending is Mending.DONE else report)
        notice = _notice(tuple(found.values()), tuple(left), tuple(under_way))
        if notice is not None:
            yield notice

    def _roots(self) -> tuple[str, ...]:
        config = self.config
        roots = [mount.source for mount in config.mounts if not mount.read_only]
        live = config.workspace.path if isinstance(config.workspace, FolderWorkspace) else self.workspace
        return tuple(dict.fromkeys([*([live] if live else []), *roots]))

    def _again(self, root: str) -> SweepReport:
        """What is left once a container has mended the folder."""
        again = self._look(root)
        # What the person cannot look into, root has.
        return SweepReport(foreign=again.foreign, devices=again.devices)

    def _look(self, root: str) -> SweepReport:
        # The stop that ended the task does not end the look after it; one that comes meanwhile does.
        interruption = NeverInterrupted() if self._hurry() is not None else _StopOrLeave(self.cancel)
        sweep = LiveSweep(since=self.since - _CLOCK_S, uid=os.getuid(), interruption=interruption)
        try:
            return sweep.run(root)
        except Cancelled:
            sweep.report.complete = False
            return sweep.report

    def _hurry(self) -> float | None:
        """Seconds that anybody waits for what is begun now; None where nobody asked to stop or to let go."""
        try:
            self.cancel.check()
        except Cancelled as stop:
            return stop.grace_s
        except Detached:
            return LEFT_MEND_S
        return None

    def _mend(self, name: str, root: str) -> Mending:
        """A container of the base image, with this folder alone and no network, does what only root can.

        Nothing of the image is run in it: our own programs are, with the three rights that they need.
        """
        try:
            image = self.engine.find_image(self.config.base_image)
            if image is None:
                return Mending.FAILED
            spec = self._mending(name, root, image)
            self.engine.remove(name)
            with PlainContainer(engine=self.engine, spec=spec) as container:
                return self._followed(container)
        except (EngineError, StoreError, WorkspaceError):
            return Mending.FAILED

    def _followed(self, container: PlainContainer) -> Mending:
        """Start it, and follow it as long as somebody waits; then it goes on alone. Raises EngineErrors."""
        hurry = self._hurry()
        lines = container.run(
            NeverCancelled() if hurry is not None else self.cancel,
            time.monotonic() + (MEND_S if hurry is None else hurry),
        )
        try:
            while True:
                next(lines)
        except StopIteration as end:
            state: ContainerState = end.value
            return Mending.DONE if state.exit_code == 0 else Mending.FAILED
        except LimitReached:
            if hurry is None:
                return Mending.FAILED
        except (Cancelled, Detached):
            pass  # from now on nobody waits for it either
        container.keep()
        return Mending.GOES_ON

    def _mending(self, name: str, root: str, image: ImageInfo) -> ContainerSpec:
        """Raises StoreError or WorkspaceError where our programs cannot be had."""
        config = self.config
        return ContainerSpec(
            name=name,
            image=image.id,
            entrypoint=(*through_loader("bash"), "-p", "-c", _SCRIPT, "mend"),
            command=(f"{self.since - _CLOCK_S:.3f}", str(config.uid), str(config.gid)),
            user="0:0",
            # They could name something in the very folder that is mended.
            withheld_variables=tuple(unsafe_variables(image)),
            labels={
                labels.CONTAINER_KIND: "mend",
                labels.CONTAINER_NAME: name,
                labels.CONTAINER_TASK: config.task_id,
                labels.CONTAINER_INSTANCE: config.instance,
            },
            mounts=(
                Mount(source=root, target=_MENDED),
                Mount(source=str(self.tools.folder()), target=TOOLS, read_only=True),
            ),
            only_capabilities=_RIGHTS,
            network="none",
            platform=config.platform,
        )


def look_after(
    config: DockerRunnerConfig,
    *,
    engine: Engine,
    control: ControlFolders,
    cancel: Cancellation,
    workspaces: Path,
    since: float | None,
) -> Generator[Event, None, None]:
    """The look after a task, where its folders are on this machine; `since` is None where it had no container.

    `workspaces` is the folder with the tasks' own clones. Never fails a task; see `Sweeper.events`.
    """
    if since is None or not control.local:
        return
    workspace = str(workspaces / config.task_id) if isinstance(config.workspace, GitWorkspace) else ""
    yield from Sweeper(
        engine=engine, config=config, cancel=cancel, tools=control.tools, workspace=workspace, since=since
    ).events()


class _StopOrLeave:
    """An `Interruption` where somebody asks to stop or to let go: either is a reason to look no further."""

    def __init__(self, cancel: Cancellation) -> None:
        self._cancel = cancel

    def check(self) -> None:
        try:
            self._cancel.check()
        except Detached as left:
            raise Cancelled from left


def sweep_time() -> float:
    """Now, for `Sweeper.since`: taken before the container is made."""
    return time.time()


def _notice(
    found: tuple[SweepReport, ...], left: tuple[SweepReport, ...], under_way: tuple[str, ...]
) -> Notice | None:
    """What a task left in one sentence, and in another what of it could not be put right, or not yet."""
    parts = [
        f"{text} ({names})"
        for text, names in (
            ("files of yours with setuid or setgid bits", _all(report.cleared for report in found)),
            ("files of another owner", _all(report.foreign for report in found)),
            ("device nodes", _all(report.devices for report in found)),
            ("folders that are closed to you", _all(report.closed for report in found)),
        )
        if names.count
    ]
    cut = any(not report.complete for report in left)
    parts += ["more than could be looked through"] if cut else []
    if not parts:
        return None
    message = f"This task left in your folders: {'; '.join(parts)}."
    rest = _all(names for report in left for names in (report.foreign, report.devices, report.closed))
    if under_way:
        return Notice(
            message=f"{message} Still being put right: {rest if rest.count else 'what was not looked at'}.",
            hint=f"Wait for the end of the container {', '.join(under_way)} before you use that folder.",
        )
    if rest.count or cut:
        return Notice(
            message=f"{message} Not put right: {rest if rest.count else 'what was not looked at'}.",
            hint="Look at it as root before you let anything else use that folder.",
        )
    return Notice(message=f"{message} Bits are off, owners and devices put right.")


def _all(names: Iterable[Names]) -> Names:
    total = Names()
    for one in names:
        total.count += one.count
        total.shown += one.shown
    del total.shown[MAX_NAMES:]
    return total
