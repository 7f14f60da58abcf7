"""Passwords in the address of a repository: refused when saved, named in older files, in no export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents_runner.core.environment import GitWorkspace
from agents_runner.core.errors import InvalidInput
from agents_runner.core.migrate import environment_to_json
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.paths import Paths
from tests.unit.store.test_store import ENVIRONMENT

TOKEN = "s3cr3t@to/ken"
WITH_TOKEN = ENVIRONMENT.model_copy(
    update={"workspace": GitWorkspace(url=f"https://user:{TOKEN}@git.example/p.git", branch="main")}
)


def test_m4_it_is_not_saved(home: Paths, environments: EnvironmentStore) -> None:
    with pytest.raises(InvalidInput) as error:
        environments.save(WITH_TOKEN)
    assert error.value.field == "workspace"
    assert TOKEN not in f"{error.value.message} {error.value.hint}"
    assert list(home.environments.iterdir()) == []


def test_m4_a_file_that_has_it_already_is_named_and_exported_without(
    home: Paths, environments: EnvironmentStore, tmp_path: Path
) -> None:
    file = home.environments / f"{WITH_TOKEN.id}.json"
    file.write_text(environment_to_json(WITH_TOKEN))
    listing = environments.list()
    assert [note for note in listing.notes if "password or token" in note] == list(listing.notes)
    assert len(listing.notes) == 1
    assert TOKEN not in listing.notes[0]
    assert listing.environments == (WITH_TOKEN,)  # the file stays as the person wrote it
    exported = environments.export(WITH_TOKEN.id)
    assert json.loads(exported)["workspace"] == {"type": "git", "url": "https://git.example/p.git", "branch": "main"}
    assert {**json.loads(exported), "workspace": 0} == {**json.loads(file.read_text()), "workspace": 0}
    # Imported it is taken over as it is, and said.
    given = tmp_path / "given.json"
    given.write_text(environment_to_json(WITH_TOKEN))
    report = environments.import_file(given)
    assert any("password or token" in note and TOKEN not in note for note in report.notes)
