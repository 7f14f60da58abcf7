"""A skip is a failure in CI, and a skip elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.skipif(True, reason="marked")
def test_marked(): ...

def test_called(): pytest.skip("called")

@pytest.fixture
def away(): pytest.skip("fixture")

def test_fixture(away): ...

@pytest.mark.xfail
def test_expected(): assert False

def test_well(): ...
"""


@pytest.mark.parametrize(
    ("ci", "counted"), [("true", "1 failed, 1 passed, 1 xfailed, 2 errors"), ("", "1 passed, 3 skipped, 1 xfailed")]
)
def test_a_skip_fails_in_ci(tmp_path: Path, ci: str, counted: str) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "tests.support.nothing_skipped", "."]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    out = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60).stdout
    assert counted in out, out
