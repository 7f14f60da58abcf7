"""Fixtures of the tests with a real engine: environments made by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents_runner.app import build_services
from agents_runner.runner.services import Services
from tests.support.cli import Cli

MakeEnvironment = Callable[..., str]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def make_environment(cli: Cli, mini_base: str, workspace: Path, tmp_path: Path) -> MakeEnvironment:
    """Make (or change) an environment on the mini base image; scripts are given as texts."""

    def make(environment: str = "test", *, edit: bool = False, run_as: Cli = cli, **fields: str) -> str:
        if not edit:
            defaults = {
                "base_image": mini_base,
                "workspace": str(workspace),
                "agent": "shell",
                "cache_container_build": "true",
            }
            fields = defaults | fields
        sets: list[str] = []
        for field, value in fields.items():
            field_name = field.replace("__", ".")
            if field.endswith("_script"):
                path = tmp_path / f"{field}.txt"
                path.write_bytes(value.encode("utf-8"))
                path.chmod(0o644)
                value = f"@{path}"  # noqa: PLW2901
            sets += ["--set", f"{field_name}={value}"]
        run_as("env", "edit" if edit else "create", environment, *sets)
        return environment

    return make


@pytest.fixture
def services(ar_home: Path) -> Iterator[Services]:
    """The application's own parts, in this process."""
    made = build_services()
    try:
        yield made
    finally:
        made.system.close()
