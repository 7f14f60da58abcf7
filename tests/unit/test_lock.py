"""The lock files hold what pyproject.toml asks for, with hashes and without addresses, and .venv holds just that."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN, DEV = ROOT / "requirements" / "run.txt", ROOT / "requirements" / "dev.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
NOT_LOCKED = {"pip", "setuptools", "agents-runner"}
"""What a virtual environment brings along, and the project itself."""


def locked(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each line of a lock as a requirement with its hashes."""
    found = []
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        text, *hashes = re.split(r"\s+(?=--hash)", line.strip())
        found.append((Requirement(text), hashes))
    return found


def marks(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.3", "sys_platform": "linux"}


def version_in(path: Path, name: str, python: str) -> str:
    """The version that the lock names for this Python; "" for none. Two for one would be a contradiction."""
    found = [
        str(one.specifier).removeprefix("==")
        for one, _ in locked(path)
        if canonicalize_name(one.name) == canonicalize_name(name)
        and (one.marker is None or one.marker.evaluate(marks(python)))
    ]
    assert len(found) <= 1, f"{name} on {python}"
    return found[0] if found else ""


def asked(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    texts = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("path", "extras"), [(RUN, ()), (DEV, ("dev", "desktop"))], ids=["run", "dev"])
def test_the_lock_holds_what_the_project_asks_for(path: Path, extras: tuple[str, ...], python: str) -> None:
    for one in asked(*extras):
        if one.marker is None or one.marker.evaluate(marks(python)):
            version = version_in(path, one.name, python)
            assert version, f"{one} is in no line of {path.name} for Python {python}: bash scripts/lock.sh"
            assert one.specifier.contains(version, prereleases=True), f"{one}, not {version}"


@pytest.mark.parametrize("path", [RUN, DEV], ids=["run", "dev"])
def test_every_line_has_one_version_and_hashes(path: Path) -> None:
    lines = locked(path)
    assert len(lines) > 10
    for one, hashes in lines:
        assert re.fullmatch(r"==[0-9][^,*]*", str(one.specifier)), one
        assert hashes, one
        assert all(HASH.fullmatch(each) for each in hashes), one


@pytest.mark.parametrize("path", [RUN, DEV], ids=["run", "dev"])
def test_the_lock_names_no_address(path: Path) -> None:
    """Which index or folder is asked is each machine's own affair."""
    for line in path.read_text(encoding="utf-8").splitlines():
        assert "://" not in line
        assert " @ " not in line
        assert re.match(r"[a-z0-9]|    --hash=sha256:", line), line


def test_who_runs_it_has_the_same_versions_as_who_tests_it() -> None:
    dev = {str(one): sorted(hashes) for one, hashes in locked(DEV)}
    for one, hashes in locked(RUN):
        assert dev.get(str(one)) == sorted(hashes), one


def test_what_is_installed_is_what_the_lock_names() -> None:
    """With `bash scripts/setup.sh --dev`; a package of another version means that it is due."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = sysconfig.get_paths()["purelib"]
    assert Path(folder).is_relative_to(sys.prefix)
    wrong = {}
    for one in importlib.metadata.distributions(path=[folder]):
        name = canonicalize_name(one.name)
        if name not in NOT_LOCKED and version_in(DEV, name, python) != one.version:
            wrong[name] = (one.version, version_in(DEV, name, python))
    assert wrong == {}
