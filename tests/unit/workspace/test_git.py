"""What the git program is given: words behind `--`, few protocols, never a password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.workspace.git import Clone


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what a stand-in for git was called with, and with its environment."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    file = tmp_path / "told"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {file}\nenv >> {file}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:https")
    return file


def test_m4_git_speaks_https_ssh_and_file_and_takes_no_options(told: Path, tmp_path: Path) -> None:
    assert list(Clone("https://git.example/p.git", "main", tmp_path / "clone").lines()) == []
    lines = told.read_text().splitlines()
    words = ["clone", "--no-recurse-submodules", "--branch", "main", "--", "https://git.example/p.git"]
    assert lines[:7] == [*words, str(tmp_path / "clone")]
    assert "GIT_ALLOW_PROTOCOL=https:ssh:file" in lines
    assert "GIT_TERMINAL_PROMPT=0" in lines


def test_m4_git_is_not_begun_with_a_password(told: Path, tmp_path: Path) -> None:
    for url in ("https://user:s3cr3t@git.example/p", "https://user:s3/cr@3t@git.example/p", "http://git.example/p"):
        with pytest.raises(InvalidInput):
            Clone(url, "", tmp_path / "clone")
    assert not told.exists()
