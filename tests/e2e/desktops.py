"""Tasks with a desktop for the tests: an environment of one's own on layers that the whole session shares."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.cli import Cli, Done
from tests.support.waiting import until

CACHED = "mkdir -p /opt/tools && echo 'tool 1' >/opt/tools/version\nexport TOOLS=/opt/tools\n"
RFB = b"RFB 003.008\n"


@dataclass(kw_only=True)
class Desk:
    """One person's files, with an environment on the given base."""

    cli: Cli
    base: str
    folder: Path
    """Workspaces are below it, one an environment."""
    made: list[str] = field(default_factory=list)
    """Names of the environments."""

    def environment(self, name: str = "desk", *, edit: bool = False, **fields: str) -> str:
        workspace = self.folder / name
        workspace.mkdir(exist_ok=True)
        owner = self.folder.stat()
        os.chown(workspace, owner.st_uid, owner.st_gid)
        if not edit:
            fields = {
                "base_image": self.base,
                "workspace": str(workspace),
                "agent": "shell",
                "headless_desktop_enabled": "true",
                "cache_desktop_build": "true",
                "cache_container_build": "true",
                "cached_preflight_script": CACHED,
            } | fields
        sets: list[str] = []
        for key, value in fields.items():
            if key.endswith("_script"):
                path = self.folder / f"{name}-{key}"
                path.write_text(value)
                value = f"@{path}"  # noqa: PLW2901
            sets += ["--set", f"{key}={value}"]
        self.cli("env", "edit" if edit else "create", name, *sets)
        if not edit:
            self.made.append(name)
        return name

    def plan(self, name: str, cli: Cli | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (cli or self.cli)("plan", name, "--json").json
        return found

    def states(self, name: str, cli: Cli | None = None) -> list[tuple[str, str]]:
        return [(layer["kind"], layer["state"]) for layer in self.plan(name, cli)["layers"]]

    def remove_layers(self, name: str) -> None:
        """Exactly this environment's, the highest first: those of others are the whole session's."""
        for layer in reversed(self.plan(name)["layers"]):
            subprocess.run(["docker", "rmi", "--no-prune", layer["tag"]], capture_output=True, check=False)

    @contextlib.contextmanager
    def running(self, name: str, prompt: str) -> Iterator[RunningTask]:
        """A detached task, stopped at the end if it runs still."""
        task = self.cli("run", name, prompt, "--detach", "--json").json["task"]
        try:
            yield RunningTask(cli=self.cli, id=task, workspace=self.folder / name)
        finally:
            self.cli("tasks", "stop", task)


@dataclass(frozen=True, kw_only=True)
class RunningTask:
    cli: Cli
    id: str
    workspace: Path

    @property
    def container(self) -> str:
        return f"agents-runner-task-{self.id}"

    def ready(self) -> RunningTask:
        """Waits for the agent's beginning: the desktop is there, or is known not to come."""
        until(
            lambda: "agent" in self.show()["phases"] or self.show()["finished"],
            timeout=300,
            what=f"the agent of task {self.id}",
        )
        return self

    def ended(self) -> dict[str, Any]:
        until(lambda: self.show()["finished"], timeout=120, what=f"the end of task {self.id}")
        return self.show()

    def show(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cli("tasks", "show", self.id, "--json").json
        return found

    def log(self) -> list[str]:
        return self.cli("tasks", "logs", self.id).out.splitlines()

    def url(self, *, view_only: bool = False) -> str:
        asked = self.cli("tasks", "desktop", self.id, "--json", *(["--view-only"] if view_only else []))
        return str(asked.json["url"])

    def desktop(self) -> Done:
        return self.cli("tasks", "desktop", self.id, "--json", check=False)

    @property
    def keys(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.cli.home / "tasks" / self.id / "desktop.json").read_text())
        return found


@dataclass(frozen=True, kw_only=True)
class Built:
    """The session's desk and what its first and second look at the layers were."""

    desk: Desk
    before: dict[str, Any]
    phases: dict[str, Any]
    after: dict[str, Any]


def token_of(url: str) -> str:
    return url.partition("#token=")[2].partition("&")[0]


def greeting(url: str, token: str, **headers: str) -> bytes:
    """The first bytes that the desktop's proxy lets flow for this token; raises InvalidStatus where it is refused."""
    address = url.partition("#")[0].replace("http://", "ws://") + "vnc"
    wanted = ["binary", *([f"token.{token}"] if token else [])]
    with connect(address, subprotocols=wanted, additional_headers=headers or None, compression=None) as proxy:  # type: ignore[arg-type]
        data = proxy.recv(timeout=30)
        return data if isinstance(data, bytes) else data.encode()


def refusal(url: str, token: str, **headers: str) -> int:
    """The HTTP status with which the proxy refuses; fails if it opens."""
    try:
        data = greeting(url, token, **headers)
    except InvalidStatus as error:
        return error.response.status_code
    except ConnectionClosed as error:
        raise AssertionError(f"closed only after it had opened: {error}") from error
    raise AssertionError(f"the proxy opened: {data!r}")
