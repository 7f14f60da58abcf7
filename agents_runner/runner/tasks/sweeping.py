"""After a task: what it left in the person's folders is looked at, put right, and told in one notice."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.tools import HostTools
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, task_container
from agents_runner.core.environment import FolderWorkspace
from agents_runner.core.errors import Cancelled, Detached, EngineError, StoreError, WorkspaceError
from agents_runner.core.events import Event, Notice
from agents_runner.core.mounts import Mount
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine
from agents_runner.launcher.tools import TOOLS, through_loader, unsafe_variables
from agents_runner.workspace.live_sweep import MAX_NAMES, LiveSweep, Names, NeverInterrupted, SweepReport

MEND_S = 120.0
"""Seconds that the mending of one folder may take."""
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
        """Look, mend and tell; never fails a task. Only after every process of its container has ended."""
        found = {root: self._look(root) for root in self._roots()}
        left = {root: self._after(root, report) for root, report in found.items() if report.needs_mending}
        notice = _notice(tuple(found.values()), tuple(left.values()))
        if notice is not None:
            yield notice

    def _roots(self) -> tuple[str, ...]:
        config = self.config
        roots = [mount.source for mount in config.mounts if not mount.read_only]
        live = config.workspace.path if isinstance(config.workspace, FolderWorkspace) else self.workspace
        return tuple(dict.fromkeys([*([live] if live else []), *roots]))

    def _after(self, root: str, report: SweepReport) -> SweepReport:
        """What is left of a report once a container has mended the folder; all of it where none could."""
        if self._asked() or not self._mend(root):
            return report
        again = self._look(root)
        # What the person cannot look into, root has.
        return SweepReport(foreign=again.foreign, devices=again.devices)

    def _look(self, root: str) -> SweepReport:
        # The stop that ended the task does not end the look after it; one that comes meanwhile does.
        interruption = NeverInterrupted() if self._asked() else _StopOrLeave(self.cancel)
        sweep = LiveSweep(since=self.since - _CLOCK_S, uid=os.getuid(), interruption=interruption)
        try:
            return sweep.run(root)
        except Cancelled:
            sweep.report.complete = False
            return sweep.report

    def _asked(self) -> bool:
        """Whether the task is to stop, or is being left: then nothing that takes long is begun."""
        try:
            self.cancel.check()
        except (Cancelled, Detached):
            return True
        return False

    def _mend(self, root: str) -> bool:
        """A container of the base image, with this folder alone and no network, does what only root can.

        Nothing of the image is run in it: our own programs are, with the three rights that they need.
        """
        name = f"{task_container(self.config.task_id)}-mend"
        with contextlib.suppress(EngineError, StoreError, WorkspaceError):
            return self._mend_with(name, root)
        return False

    def _mend_with(self, name: str, root: str) -> bool:
        """Raises EngineErrors, and StoreError or WorkspaceError where our programs cannot be had."""
        engine, config = self.engine, self.config
        image = engine.find_image(config.base_image)
        if image is None:
            return False
        spec = ContainerSpec(
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
        engine.remove(name)
        try:
            container = engine.create(spec)
            engine.start(container)
            return engine.wait(container, MEND_S).exit_code == 0
        finally:
            engine.remove(name)


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


def _notice(found: tuple[SweepReport, ...], left: tuple[SweepReport, ...]) -> Notice | None:
    """What a task left in one sentence, and in another what of it could not be put right."""
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
