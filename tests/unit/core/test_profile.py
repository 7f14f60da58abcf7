"""The field `profile`: what files of every age read as, what a new environment has, and what it does not change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import SCHEMA, Environment, FolderWorkspace, GitWorkspace
from agents_runner.core.environment_rows import PROFILES
from agents_runner.core.errors import InvalidInput
from agents_runner.core.field_values import apply_assignments
from agents_runner.core.migrate import environment_to_json, model_data, read_environment
from agents_runner.core.profile import Profile
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.images.planning import plan_image
from agents_runner.runner.tasks.isolation import wants_isolation
from agents_runner.runner.tasks.plan_launch import Host, plan_launch, problems_of
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.paths import Paths

BASE = ImageInfo(id="sha256:" + "1" * 64, platform="linux/amd64")
LEGACY = json.loads((Path(__file__).parents[2] / "data" / "legacy-environments.json").read_text())["environments"]
VALUES: tuple[Profile, ...] = ("standard", "sudo", "strict")


def paths(folder: Path) -> Paths:
    return Paths.find({"AGENTS_RUNNER_HOME": str(folder)}).ensure()


def host(tmp_path: Path) -> Host:
    return Host(uid=1500, gid=1500, state_dir=tmp_path / "state")


def planned(tmp_path: Path, **fields: Any) -> DockerRunnerConfig:
    environment = Environment(id="one", name="One", base_image="debian:bookworm", **fields)
    return plan_launch(environment, task_id="t", agent=None, host=host(tmp_path))


@pytest.mark.parametrize("isolates", [False, True])
def test_a_plan_holds_what_the_settings_say_of_networks(tmp_path: Path, isolates: bool) -> None:
    environment = Environment(id="one", name="One", base_image="debian:bookworm")
    machine = replace(host(tmp_path), isolates=isolates)
    config = plan_launch(environment, task_id="t", agent=None, host=machine)
    assert wants_isolation(config) is isolates


@pytest.mark.parametrize(
    "data",
    [
        {"id": "x", "name": "X", "version": 2},
        {"id": "x", "name": "X", "version": SCHEMA},
        {"id": "x", "name": "X"},
        {"env_id": "x", "name": "X", "preflight_script": "true\n"},
        *LEGACY,
    ],
    ids=lambda data: f"version {data.get('version', 'none')}",
)
def test_a_file_without_a_profile_keeps_sudo_and_says_that_nobody_chose_it(data: dict[str, Any]) -> None:
    read = read_environment(data).environment
    assert read.profile == "sudo"
    assert read.profile_from_before
    again = read_environment(json.loads(environment_to_json(read)))
    assert again.environment == read
    assert not again.changed


@pytest.mark.parametrize("profile", VALUES)
def test_a_profile_makes_the_round_trip_through_file_and_plan(profile: Profile, tmp_path: Path) -> None:
    environment = Environment(id="x", name="X", profile=profile)
    read = read_environment(json.loads(environment_to_json(environment)))
    assert read.environment == environment
    assert not read.environment.profile_from_before
    config = planned(tmp_path, profile=profile)
    assert config.profile == profile
    assert DockerRunnerConfig.model_validate_json(config.model_dump_json()) == config


def test_a_stored_plan_of_before_keeps_sudo(tmp_path: Path) -> None:
    stored = json.loads(planned(tmp_path, profile="strict").model_dump_json())
    del stored["profile"]
    assert DockerRunnerConfig.model_validate(stored).profile == "sudo"


def test_a_word_that_is_no_profile_is_kept_aside_and_standard_counts() -> None:
    read = read_environment({"id": "x", "name": "X", "version": SCHEMA, "profile": "root"})
    assert read.environment.profile == "standard"
    assert (read.environment.model_extra or {})["invalid_values"] == {"profile": "root"}
    assert any("profile" in note for note in read.notes)


def test_a_new_environment_starts_with_standard() -> None:
    made = apply_assignments(None, [], {"id": "x", "name": "X"})
    assert made.profile == "standard"
    assert not made.profile_from_before


@pytest.mark.parametrize("profile", VALUES)
def test_setting_a_profile_is_a_choice_also_where_it_is_the_one_of_before(profile: str) -> None:
    old = read_environment({"id": "x", "name": "X", "version": 2}).environment
    assert apply_assignments(old, [("name", "Y")], {}).profile_from_before
    chosen = apply_assignments(old, [("profile", profile)], {})
    assert chosen.profile == profile
    assert not chosen.profile_from_before


def test_a_profile_that_is_none_is_refused_at_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_assignments(None, [("profile", "root")], {"id": "x", "name": "X"})
    assert caught.value.field == "profile"
    assert "standard, sudo, strict" in caught.value.hint


def test_a_file_of_version_two_is_not_taken_for_the_older_programs() -> None:
    """An old single script that was moved and then emptied stays empty."""
    data = {"id": "x", "name": "X", "version": 2, "preflight_script": "apt\n", "run_preflight_script": ""}
    read = read_environment({**data, "cache_container_build": True})
    assert read.environment.run_preflight_script == ""
    assert read.notes == ()
    assert read.changed


def test_the_store_writes_the_profile_into_an_older_file_after_a_backup(tmp_path: Path) -> None:
    store = EnvironmentStore(paths=paths(tmp_path))
    path = store.paths.environments / "x.json"
    path.write_text(json.dumps({"id": "x", "name": "X", "version": 2, "future": [1]}))
    assert store.get("x").profile == "sudo"
    written = json.loads(path.read_text())
    assert (written["version"], written["profile"], written["profile_from_before"]) == (SCHEMA, "sudo", True)
    assert written["future"] == [1]
    assert [json.loads(one.read_text())["version"] for one in store.paths.backups.iterdir()] == [2]


def test_an_import_of_the_older_programs_file_offers_standard(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"environments": LEGACY}))
    report = EnvironmentStore(paths=paths(tmp_path / "home")).import_file(path)
    assert {one.profile for one in report.environments} == {"sudo"}
    assert sum("Under Standard it may not" in note for note in report.notes) == len(LEGACY)


def test_the_profile_changes_no_layer(tmp_path: Path) -> None:
    script = "# step: one\napt-get install -y git\n# step: two\ntrue\n"
    keys = {
        tuple(
            layer.key
            for layer in plan_image(
                planned(tmp_path, profile=profile, cache_container_build=True, cached_preflight_script=script), BASE
            ).layers
        )
        for profile in VALUES
    }
    assert len(keys) == 1
    assert len(keys.pop()) == 2


def test_strict_refuses_a_live_folder_at_the_field_with_the_way_out(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    live = Environment(id="x", name="X", profile="strict", workspace=FolderWorkspace(path=str(work)))
    (problem,) = problems_of(live, host(tmp_path))
    assert problem.field == "workspace"
    assert "git clone" in problem.hint
    with pytest.raises(InvalidInput):
        plan_launch(live, task_id="t", agent=None, host=host(tmp_path))
    for other in (
        live.model_copy(update={"profile": "standard"}),
        live.model_copy(update={"workspace": GitWorkspace(url="https://git.example/one.git")}),
    ):
        assert problems_of(other, host(tmp_path)) == ()


def test_every_profile_is_said_in_one_sentence() -> None:
    assert tuple(row.value for row in PROFILES) == VALUES
    for row in PROFILES:
        assert row.text.endswith(".")
        assert row.text.count(". ") == 0


def test_the_model_data_of_a_new_environment_has_the_profile() -> None:
    assert model_data(Environment(id="x", name="X"))["profile"] == "standard"
