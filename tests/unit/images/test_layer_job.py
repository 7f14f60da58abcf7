"""A layer as values: the container that makes it, and the image that it becomes."""

from __future__ import annotations

import calendar
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.job import ContainerJob
from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import NoWorkspace, Resources
from agents_runner.core.imageplan import Layer
from agents_runner.core.mounts import Mount
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.fake import FakeEngine
from agents_runner.images.layer_job import (
    HARMLESS_COMMAND,
    LEFT_ALONE_S,
    BuildOptions,
    is_layer,
    layer_commit,
    layer_job,
)
from agents_runner.images.packagecaches import MOUNTED_AT
from agents_runner.images.planning import plan_image
from agents_runner.launcher.files import CACHE_PROGRAMS, IN, STATE
from agents_runner.launcher.tools import LAUNCH, TOOLS

BASE = ImageInfo(id="sha256:" + "1" * 64, platform="linux/amd64", environment=("PATH=/bin", "HOME=/home/image"))
GRANTS = (
    SecretGrant(name="BUILD_KEY", stages=("build",), as_variable=True),
    SecretGrant(name="AGENT_KEY", stages=("agent",)),
)
VALUES = SecretValues({"BUILD_KEY": "value-of-build", "AGENT_KEY": "value-of-agent"})
CONFIG = DockerRunnerConfig(
    task_id="t", environment_id="e-1", environment_name="E", base_image="debian:bookworm",
    headless_desktop_enabled=True, desktop_cache_enabled=True, container_cache_enabled=True,
    cached_preflight_script="set -e\n# step: a\necho a\n# step: b\necho b\n", run_preflight_script="echo run\n",
    env_vars={"COLOUR": "blue", "https_proxy": "http://proxy:1"}, secrets=GRANTS, workspace=NoWorkspace(),
    uid=1000, gid=1001, agent=None, token="not the build's",
)  # fmt: skip
DESKTOP, STEP_A, STEP_B = plan_image(CONFIG, BASE).layers
OPTIONS = BuildOptions(
    uid=1000, gid=1001, env_vars=CONFIG.env_vars, timeout_s=300, secrets=VALUES, grants=GRANTS,
    environment_id="e-1", resources=Resources(cpus=2, memory_mb=512, pids=99),
)  # fmt: skip


def job_of(
    layer: Layer = STEP_A, *, parent: ImageInfo = BASE, options: BuildOptions = OPTIONS, cache: str = ""
) -> ContainerJob:
    return layer_job(layer, parent, options, token="feed", instance="0123456789ab", cache=cache)


def plan_lines(job: ContainerJob) -> list[str]:
    return job.files["in/plan.sh"].decode().splitlines()


def calls(job: ContainerJob) -> list[str]:
    lines = plan_lines(job)
    return lines[lines.index("ar_identity") :]


def of_parent(**fields: object) -> ImageInfo:
    return replace(BASE, **fields)  # type: ignore[arg-type]


# -- the container ----------------------------------------------------------------------------------


def test_its_name_is_the_lock_and_its_labels_say_whose_it_is() -> None:
    spec = job_of().spec
    assert spec.name == f"agents-runner-build-{STEP_A.key}"
    assert spec.labels == {
        labels.CONTAINER_KIND: "build",
        labels.CONTAINER_KEY: STEP_A.key,
        labels.CONTAINER_NAME: spec.name,
        labels.CONTAINER_ENVIRONMENT: "e-1",
        labels.CONTAINER_INSTANCE: "0123456789ab",
    }


def test_it_starts_from_the_parent_by_its_id_and_with_its_limits() -> None:
    spec = job_of(STEP_B, parent=of_parent(id="sha256:parent")).spec
    assert (spec.image, spec.resources) == ("sha256:parent", OPTIONS.resources)
    assert (spec.stdin, spec.stdin_stays) == (True, True)


@pytest.mark.parametrize(
    ("entrypoint", "becomes"), [(None, (None, LAUNCH)), (("/entry",), (LAUNCH, ())), ((), (None, LAUNCH))]
)
def test_an_entrypoint_that_the_parent_lacks_is_not_given_to_it(
    entrypoint: tuple[str, ...] | None, becomes: tuple[tuple[str, ...] | None, tuple[str, ...]]
) -> None:
    spec = job_of(parent=of_parent(entrypoint=entrypoint)).spec
    assert (spec.entrypoint, spec.command) == becomes


@pytest.mark.parametrize(("user", "started_as"), [("", ""), ("node", "0:0")])
def test_the_launcher_is_root_and_hands_the_script_to_the_image_s_user(user: str, started_as: str) -> None:
    job = job_of(parent=of_parent(user=user))
    assert job.spec.user == started_as
    lines = plan_lines(job)
    assert {"AR_UID=1000", "AR_GID=1001", "AR_STAGE=build", "AR_IMAGE_HOME=/home/image"} <= set(lines)
    assert f"AR_IMAGE_USER={user or chr(39) * 2}" in lines


def test_a_build_has_no_mount_no_port_and_no_network_of_its_own() -> None:
    spec = job_of().spec
    assert (spec.mounts, spec.ports, spec.network, spec.volumes) == ((), (), "", {})
    assert spec.dropped_capabilities == ("MKNOD", "NET_RAW", "SETFCAP")
    assert spec.environment == {}, "what stands there would stay in the image"


def test_variables_that_load_something_wait_until_root_is_done_and_come_back_into_the_image() -> None:
    parent = of_parent(environment=(*BASE.environment, "LD_PRELOAD=/evil.so"))
    assert job_of(parent=parent).spec.withheld_variables == ("LD_PRELOAD",)
    commit = layer_commit(STEP_A, parent, base_ref="debian:bookworm", instance="i")
    assert commit.environment == ("LD_PRELOAD=/evil.so",)
    assert layer_commit(STEP_A, BASE, base_ref="debian:bookworm", instance="i").environment == ()


# -- what is to be done -----------------------------------------------------------------------------


def test_only_this_step_runs_and_a_look_follows_whether_something_of_ours_is_left() -> None:
    job = job_of(STEP_B, options=replace(OPTIONS, grants=()))
    assert job.files["in/scripts/00"].decode() == STEP_B.inputs.script
    assert "in/scripts/01" not in job.files
    words = [line.partition(" ")[0] for line in calls(job)]
    assert words == ["ar_identity", "ar_begin", "ar_script", "ar_end", "ar_nothing_left"]
    assert "ar_begin build.env" in calls(job)
    assert not [name for name in job.files if name.startswith(("in/login", "in/desktop", "in/prompt"))]


def test_it_ends_by_itself_a_while_after_its_limit() -> None:
    assert f"ar_limit {300 + LEFT_ALONE_S}" in plan_lines(job_of())


def test_volumes_of_the_parent_are_looked_at_since_no_image_can_hold_them() -> None:
    assert calls(job_of(parent=of_parent(volumes=("/var/lib/db", "/it's"))))[-1] == (
        """ar_volumes /var/lib/db '/it'"'"'s'"""
    )


def test_its_variables_are_the_layer_s_and_nothing_of_the_task_or_the_environment() -> None:
    text = job_of().files["in/variables.sh"].decode()
    assert "export COLOUR=blue" in text
    assert "AGENTS_RUNNER_TASK_ID" not in text
    assert "AGENTS_RUNNER_ENVIRONMENT" not in text
    desktop = job_of(DESKTOP).files["in/variables.sh"].decode()
    assert "COLOUR" not in desktop, "one desktop layer serves every environment"
    assert "export https_proxy=http://proxy:1" in desktop


def test_no_profile_is_asked_for_so_that_one_layer_serves_all_of_them() -> None:
    files = [
        job_of(plan_image(CONFIG.model_copy(update={"profile": one}), BASE).layers[1]).files
        for one in ("sudo", "strict")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("cache", ["", "agents-runner-cache-1"])
def test_a_package_cache_is_a_volume_with_its_programs_and_a_label(cache: str) -> None:
    job = job_of(cache=cache)
    assert job.spec.volumes == ({cache: MOUNTED_AT} if cache else {})
    assert (job.spec.labels.get(labels.CONTAINER_CACHE) == cache) is bool(cache)
    assert all((f"in/{name}" in job.files) is bool(cache) for name in CACHE_PROGRAMS)
    assert ("ar_caches_on" in calls(job)) is bool(cache)


# -- token and secrets ------------------------------------------------------------------------------


def test_neither_the_token_nor_a_secret_s_value_stands_in_anything_that_is_written_or_shown() -> None:
    job = job_of()
    assert (job.token, dict(job.secrets)) == ("feed", dict(VALUES))
    commit = layer_commit(STEP_A, BASE, base_ref="debian:bookworm", instance="i")
    written = f"{job.spec!r} {job!r} {[*job.files.items()]!r} {commit!r} {OPTIONS!r}"
    assert not [value for value in VALUES.values() if value in written]
    assert "feed" not in f"{job.spec!r} {job!r} {[*job.files.items()]!r} {commit!r}"


def test_a_build_asks_for_its_own_secrets_alone_and_has_them_in_memory() -> None:
    job = job_of()
    assert job.spec.memory_folders == ("/run/secrets",)
    assert [line for line in calls(job) if line.startswith("ar_secrets")] == [
        """ar_secrets build "$ar_setup" BUILD_KEY BUILD_KEY""",
        """ar_secrets none "$ar_setup" '' ''""",
    ]
    assert "AGENT_KEY" not in job.files["in/plan.sh"].decode()


@pytest.mark.parametrize("case", ["a desktop", "no grants", "the agent's"])
def test_who_may_see_none_has_no_folder_for_them(case: str) -> None:
    layer = DESKTOP if case == "a desktop" else STEP_A
    grants = {"a desktop": GRANTS, "no grants": (), "the agent's": GRANTS[1:]}[case]
    job = job_of(layer, options=replace(OPTIONS, grants=grants))
    assert job.spec.memory_folders == ()
    assert not [line for line in plan_lines(job) if line.startswith("ar_secrets")]


# -- on an engine -----------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [True, False])
def test_what_it_writes_down_is_a_volume_and_its_files_are_only_readable(local: bool, tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.add_image(BASE.id)
    job = job_of()
    folders = ControlFolders(root=tmp_path / "run", local=local, instance="i")
    folder = folders.named(job.spec.name, uid=job.uid, gid=job.gid, kind=job.kind)
    spec = folder.prepare(engine, job.spec, job.files)
    assert list(spec.empty_volumes.values()) == [STATE]
    if local:
        assert [(one.target, one.read_only) for one in spec.mounts] == [(IN, True), (TOOLS, True)]
        assert spec.mounts[0] == Mount(source=str(folder.folder / "in"), target=IN, read_only=True)
    else:
        assert spec.mounts == ()
        assert list(spec.read_only_volumes.values()) == [IN]
        assert not (tmp_path / "run").exists()


# -- the image --------------------------------------------------------------------------------------


def test_the_image_is_the_parent_with_the_layer_s_labels_and_without_the_container_s() -> None:
    parent = of_parent(entrypoint=("/entry",), command=("serve",), user="node")
    before = time.time() - 1
    commit = layer_commit(STEP_A, parent, base_ref="debian:bookworm", instance="0123456789ab")
    assert (commit.entrypoint, commit.command, commit.user) == (("/entry",), ("serve",), "node")
    found = dict(commit.labels)
    created = found.pop(labels.IMAGE_CREATED)
    assert before <= calendar.timegm(time.strptime(created, "%Y-%m-%dT%H:%M:%SZ")) <= time.time()
    assert found.pop(labels.IMAGE_RECIPE).startswith("1-")
    assert found == {
        labels.IMAGE_MANAGED: "true",
        labels.IMAGE_KIND: "env",
        labels.IMAGE_KEY: STEP_A.key,
        labels.IMAGE_REF: STEP_A.tag,
        labels.IMAGE_BASE: "debian:bookworm",
        labels.IMAGE_STEP: "a",
        labels.IMAGE_PARENT: parent.id,
        labels.IMAGE_INSTANCE: "0123456789ab",
        **dict.fromkeys(job_of(cache="c").spec.labels, ""),
        labels.CONTAINER_NONCE: "",
    }


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, HARMLESS_COMMAND),
        ({"command": ("serve",)}, ("serve",)),
        ({"entrypoint": ("/entry",)}, None),
        ({"entrypoint": ("/entry",), "command": ("serve",)}, ("serve",)),
    ],
)
def test_the_launcher_is_never_the_image_s_command(
    fields: dict[str, tuple[str, ...]], command: tuple[str, ...] | None
) -> None:
    commit = layer_commit(STEP_A, of_parent(**fields), base_ref="b", instance="i")
    assert (commit.entrypoint, commit.command) == (fields.get("entrypoint"), command)


def test_an_image_is_the_layer_only_with_its_key_its_tag_and_one_of_our_names() -> None:
    marks = dict(layer_commit(STEP_A, BASE, base_ref="b", instance="i").labels)
    image = ImageInfo(id="x", tags=(STEP_A.tag,), labels=marks)
    assert is_layer(image, STEP_A)
    assert not is_layer(None, STEP_A)
    assert not is_layer(image, STEP_B)
    assert not is_layer(replace(image, labels={**marks, labels.IMAGE_KEY: STEP_B.key}), STEP_A)
    assert not is_layer(replace(image, labels={**marks, labels.IMAGE_MANAGED: ""}), STEP_A)
    assert not is_layer(replace(image, tags=("somebody/else:1",)), STEP_A), "built FROM ours, labels and all"
