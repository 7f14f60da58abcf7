"""Cursor's environment.json and plain set-up scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.runner.importing import draft_of, offers
from tests.unit.importers.support import DATA, cached, draft, run, whats, write


def test_a_whole_cursor_file() -> None:
    found = draft(DATA / "cursor")
    assert found.name == "Shop agent"
    assert found.fields["base_image"] == "node:20-bookworm"
    assert found.fields["ports"] == ("3000",)
    assert "useradd -m -s /bin/bash ubuntu" in cached(found)
    assert "npm install -g turbo" in cached(found)
    assert run(found).index("npm ci") < run(found).index("sudo service docker start")
    for part in ("snapshot", "terminal web", "USER ubuntu"):
        assert part in whats(found)
    assert "#   npm run dev" in run(found)


def test_cursor_without_an_image(tmp_path: Path) -> None:
    data = {"install": "sudo apt-get update && sudo apt-get install -y jq", "user": "me", "odd": 1, "start": 3}
    found = draft(write(tmp_path, {".cursor/environment.json": json.dumps(data)}))
    assert found.fields["base_image"] == "ubuntu:24.04"
    assert cached(found).index("sudo unzip") < cached(found).index("sudo apt-get install -y jq")
    assert {"user me", "odd", "start"} <= set(whats(found).split("\n"))


def test_a_pair_of_scripts() -> None:
    found = draft(DATA / "codex")
    assert [path.name for path in found.sources] == ["setup.sh", "maintenance.sh"]
    assert found.fields["base_image"] == "ubuntu:24.04"
    assert "apt-get install -y --no-install-recommends shellcheck jq" in cached(found)
    assert "uv sync" not in cached(found)
    first, second = run(found).split("# .codex/maintenance.sh\n")
    assert "uv sync --all-extras" in first
    assert second == 'cd "$AGENTS_RUNNER_WORKSPACE"\nuv sync --all-extras\npnpm install\n'
    # The options of the first must not hold for the second.
    assert first.rstrip().endswith("set -e +u +x +o pipefail")


def test_a_script_alone_keeps_its_text(tmp_path: Path) -> None:
    text = '#!/bin/bash\nif [ -z "$X" ]; then exit 0; fi\nnpm install -g turbo\nexport KEPT=1\n'
    found = draft(write(tmp_path, {".codex/setup.sh": text}))
    assert "export KEPT=1" in cached(found) + run(found)
    assert "base_image" not in found.fields
    assert "(\n" not in cached(found)


def test_a_lone_setup_script_may_be_anything(tmp_path: Path) -> None:
    write(tmp_path, {"setup.sh": "apt-get install -y jq\n"})
    assert offers(tmp_path) == ()
    write(tmp_path, {"maintenance.sh": "npm ci\n"})
    assert [one.title for one in offers(tmp_path)] == ["setup.sh"]
    assert "npm ci" in run(draft(tmp_path))


def test_a_maintenance_script_that_leaves_early_leaves_only_itself(tmp_path: Path) -> None:
    files = {"setup.sh": "npm install -g a\nexit 0\n", "maintenance.sh": "echo one; exit 0\n"}
    found = draft(write(tmp_path, files))
    assert "(\nset +e\necho one; exit 0\n)" in run(found)


def test_a_script_for_another_program(tmp_path: Path) -> None:
    write(tmp_path, {".codex/setup.sh": "#!/usr/bin/env python3\nprint(1)\n"})
    with pytest.raises(InvalidInput, match="script for python3"):
        draft_of(offers(tmp_path)[0])


def test_windows_line_ends(tmp_path: Path) -> None:
    found = draft(write(tmp_path, {".codex/setup.sh": "#!/bin/bash -eu\r\nnpm install -g a\r\nnpm ci\r\n"}))
    assert "\r" not in cached(found) + run(found)
    assert "npm install -g a\n" in cached(found)
