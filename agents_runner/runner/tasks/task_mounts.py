"""What of this machine a task's container gets to see: the workspace and the environment's mounts, checked anew."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from agents_runner.containers.cancellation import Cancellation
from agents_runner.core.environment import FolderWorkspace, GitWorkspace
from agents_runner.core.errors import MountRefused
from agents_runner.core.events import Event, LogLine
from agents_runner.core.mounts import Mount
from agents_runner.core.repository_url import without_credentials
from agents_runner.core.task_plan import WORKSPACE_PATH, DockerRunnerConfig
from agents_runner.engine.ticks import with_ticks
from agents_runner.workspace.folders import check_unmoved
from agents_runner.workspace.git import Clone
from agents_runner.workspace.owner import foreign_owner


def prepare_mounts(
    config: DockerRunnerConfig, clone: Path, cancel: Cancellation
) -> Generator[Event, None, tuple[Mount, ...]]:
    """The mounts, the workspace first; a repository is cloned into the folder `clone`.

    Raises MountRefused, WorkspaceError, Cancelled and Detached.
    """
    workspace = config.workspace
    for mount in config.mounts:
        check_unmoved(mount)
    if isinstance(workspace, FolderWorkspace):
        live = Mount(source=workspace.path, target=WORKSPACE_PATH)
        check_unmoved(live)
        notice = foreign_owner(workspace.path)
        if notice is not None:
            yield notice
        return (live, *config.mounts)
    if isinstance(workspace, GitWorkspace):
        yield from _clone(workspace, clone, cancel)
        return (Mount(source=str(clone.resolve()), target=WORKSPACE_PATH), *config.mounts)
    return config.mounts


def check_mounts_unmoved(mounts: tuple[Mount, ...]) -> None:
    """Right before the start: a source that became a link to elsewhere meanwhile is not mounted.

    Raises MountRefused.
    """
    for mount in mounts:
        if os.path.realpath(mount.source) != mount.source:
            raise MountRefused(f"{mount.source} changed while the task was prepared.", "Run the task again.")


def _clone(workspace: GitWorkspace, folder: Path, cancel: Cancellation) -> Generator[Event, None, None]:
    yield LogLine(stream="system", line=f"Cloning {without_credentials(workspace.url)} ...")
    clone = Clone(workspace.url, workspace.branch, folder)
    # A server that is silent must not keep a task from stopping.
    with contextlib.closing(with_ticks(clone.lines(), clone.stop)) as lines:
        for line in lines:
            cancel.check()
            if line is not None:
                yield LogLine(stream="system", line=line)
