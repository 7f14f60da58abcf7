"""A pytest plugin: the last test of a session begins once a file is there, so that others can do things meanwhile.

Loaded by `-p tests.support.held_back` in a session that a test starts; the file's path is in the variable below.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.waiting import until

GO = "AGENTS_RUNNER_TEST_GO"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item is item.session.items[-1]:
        until(Path(os.environ[GO]).exists, timeout=300)
