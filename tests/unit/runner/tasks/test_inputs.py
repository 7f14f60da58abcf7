"""Declared inputs of the cached preflight: read in pieces, and never waited for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from agents_runner.core.environment import Environment
from agents_runner.runner.tasks.plan_launch import Host, _input_files, problems_of


def _environment(*paths: Path) -> Environment:
    return Environment(id="e", name="E", base_image="b:1", cache_inputs=tuple(str(path) for path in paths))


def test_low_an_input_is_its_digest_and_what_is_no_file_is_absent(tmp_path: Path) -> None:
    good, pipe = tmp_path / "good", tmp_path / "pipe"
    good.write_bytes(b"x" * 3_000_000)
    os.mkfifo(pipe)
    found = _input_files(_environment(good, pipe, tmp_path, Path("/dev/zero"), tmp_path / "none"))
    assert found.pop(str(good)) == hashlib.sha256(good.read_bytes()).hexdigest()
    assert set(found.values()) == {"absent"}


def test_low_an_input_of_fifty_gigabytes_is_refused_at_its_field(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(50 * 10**9)
    (problem,) = problems_of(_environment(large), Host(uid=1000, gid=1000, state_dir=tmp_path / "state"))
    assert problem.field == "cache_inputs"
    assert "2 GB" in problem.message
