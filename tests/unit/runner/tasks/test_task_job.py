"""A task's container as a value: what of its plan stands in it, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.job import ContainerJob
from agents_runner.containers.tools import HostTools
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, ImageInfo
from agents_runner.core.environment import NoWorkspace, Resources
from agents_runner.core.mounts import Mount
from agents_runner.core.ports import Port
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.engine.fake import FakeEngine
from agents_runner.images.planning import StartPlan, plan_start
from agents_runner.launcher.files import IN, STATE, DesktopStart
from agents_runner.launcher.tools import LAUNCH, TOOLS
from agents_runner.runner.tasks.task_job import STRICT_PIDS, STRICT_TMP_MIB, adopted_job, task_job

BASE = ImageInfo(id="sha256:" + "1" * 64, platform="linux/amd64", environment=("PATH=/bin", "HOME=/home/image"))
AGENT = AgentLaunch(
    name="codex",
    argv=("codex", "exec", "{prompt_file}"),
    environment={"CODEX_COLOUR": "no"},
    root_environment={"IS_SANDBOX": "1"},
    login={".codex/auth.json": "/home/person/.codex/auth.json"},
    files={"helper.sh": "echo helps\n"},
)
GRANTS = (
    SecretGrant(name="BUILD_KEY", stages=("build",)),
    SecretGrant(name="RUN_KEY", stages=("run",), as_variable=True),
    SecretGrant(name="AGENT_KEY", stages=("agent",)),
)
VALUES = SecretValues({"BUILD_KEY": "value-of-build", "RUN_KEY": "value-of-run", "AGENT_KEY": "value-of-agent"})
CONFIG = DockerRunnerConfig(
    task_id="t1", environment_id="e-1", environment_name="My environment", base_image="debian:bookworm",
    container_cache_enabled=True, cached_preflight_script="echo cached\n", run_preflight_script="echo run\n",
    env_vars={"COLOUR": "blue"}, secrets=GRANTS, workspace=NoWorkspace(), profile="standard", uid=1000, gid=1001,
    agent=AGENT, token="feed", instance="0123456789ab", platform="linux/arm64",
)  # fmt: skip


def job_of(
    config: DockerRunnerConfig = CONFIG, *, base: ImageInfo = BASE, baked: int = 0, **more: object
) -> ContainerJob:
    fields: dict[str, object] = {"image_id": base.id, "start": plan_start(config, baked=baked), "secrets": VALUES}
    fields["login"] = {".codex/auth.json": b"{}"} if config.agent else {}
    return task_job(config, base=base, **(fields | more))  # type: ignore[arg-type]


def change(**fields: object) -> DockerRunnerConfig:
    return CONFIG.model_copy(update=fields)


def text_of(job: ContainerJob, name: str) -> str:
    return job.files[f"in/{name}"].decode()


def plan_lines(job: ContainerJob) -> list[str]:
    return text_of(job, "plan.sh").splitlines()


# -- the container itself ---------------------------------------------------------------------------


def test_it_is_named_and_labelled_so_that_its_task_and_its_owner_are_found() -> None:
    spec = job_of().spec
    assert spec.name == "agents-runner-task-t1"
    assert spec.labels == {
        labels.CONTAINER_KIND: "task",
        labels.CONTAINER_NAME: spec.name,
        labels.CONTAINER_TASK: "t1",
        labels.CONTAINER_ENVIRONMENT: "e-1",
        labels.CONTAINER_INSTANCE: "0123456789ab",
    }


def test_it_starts_with_the_launcher_and_with_nothing_of_the_image() -> None:
    spec = job_of(image_id="sha256:layer", base=replace(BASE, entrypoint=("/entry",), command=("serve",))).spec
    assert (spec.image, spec.entrypoint, spec.command) == ("sha256:layer", LAUNCH, ())
    assert (spec.stdin, spec.stdin_stays, spec.init) == (True, True, True)
    assert spec.platform == "linux/arm64"


@pytest.mark.parametrize(("user", "started_as"), [("", ""), ("node", "0:0"), ("1234", "0:0")])
def test_the_launcher_is_root_whoever_the_image_s_user_is_and_knows_that_user(user: str, started_as: str) -> None:
    job = job_of(base=replace(BASE, user=user))
    assert job.spec.user == started_as
    assert f"AR_IMAGE_USER={user or chr(39) * 2}" in plan_lines(job)
    assert "AR_IMAGE_HOME=/home/image" in plan_lines(job)


def test_no_right_is_given_back_and_no_variable_goes_by_the_engine() -> None:
    spec = job_of().spec
    assert spec.dropped_capabilities == ("MKNOD", "NET_RAW", "SETFCAP")
    assert spec.environment == {}, "what docker inspect shows is no place for variables of the person"


def test_variables_that_load_something_wait_until_root_is_done() -> None:
    hostile = replace(BASE, environment=(*BASE.environment, "LD_PRELOAD=/evil.so", "BASH_ENV=/evil"))
    job = job_of(base=hostile)
    assert set(job.spec.withheld_variables) == {"LD_PRELOAD", "BASH_ENV"}
    assert job_of().spec.withheld_variables == ()
    body = text_of(job, "variables.sh").partition("ar_plan_variables()")[0]
    assert "export LD_PRELOAD=/evil.so" in body
    assert "export BASH_ENV=/evil" in body


# -- mounts, ports, network, limits -----------------------------------------------------------------


def test_mounts_are_the_given_ones_and_files_in_writable_ones_become_the_person_s() -> None:
    mounts = (
        Mount(source="/home/person/work", target="/workspace"),
        Mount(source="/home/person/docs", target="/docs", read_only=True),
        Mount(source="/home/person/out", target="/out"),
    )
    job = job_of(mounts=mounts)
    assert job.spec.mounts == mounts
    assert "AR_MOUNTED=/workspace:/out" in plan_lines(job)
    assert (job.spec.volumes, job.spec.empty_volumes, job.spec.read_only_volumes) == ({}, {}, {})


def test_ports_and_network_are_the_given_ones() -> None:
    ports = (Port(container=3000, host=8080),)
    spec = job_of(change(ports=ports), network="apart").spec
    assert (spec.ports, spec.network) == (ports, "apart")
    assert (job_of().spec.ports, job_of().spec.network) == ((), "")


@pytest.mark.parametrize("profile", ["standard", "sudo"])
def test_limits_are_the_environment_s(profile: str) -> None:
    limits = Resources(cpus=2, memory_mb=512, shm_mb=64, pids=None)
    spec = job_of(change(profile=profile, resources=limits)).spec
    assert spec.resources == limits
    assert spec.scratch_folders == {}


@pytest.mark.parametrize(("pids", "becomes"), [(None, STRICT_PIDS), (4096, STRICT_PIDS), (64, 64)])
def test_strict_only_ever_tightens_them(pids: int | None, becomes: int) -> None:
    limits = Resources(cpus=2, memory_mb=512, pids=pids)
    spec = job_of(change(profile="strict", resources=limits)).spec
    assert spec.resources == limits.model_copy(update={"pids": becomes})
    assert spec.scratch_folders == {"/tmp": STRICT_TMP_MIB}


@pytest.mark.parametrize("profile", ["standard", "sudo", "strict"])
def test_the_launcher_is_told_the_profile_and_whose_the_files_are(profile: str) -> None:
    job = job_of(change(profile=profile))
    assert {f"AR_PROFILE={profile}", "AR_UID=1000", "AR_GID=1001", "AR_STAGE=run"} <= set(plan_lines(job))
    assert (job.uid, job.gid, job.kind) == (1000, 1001, "task")


# -- what is to be done -----------------------------------------------------------------------------


def calls(job: ContainerJob) -> list[str]:
    """What the plan has the launcher do, from its first step on."""
    lines = plan_lines(job)
    return lines[lines.index("ar_identity") :]


def test_the_order_is_cached_preflight_login_run_preflight_agent() -> None:
    assert [line.partition(" ")[0] for line in calls(job_of(change(secrets=())))] == [
        *("ar_identity", "ar_workspace", "ar_begin", "ar_script", "ar_end", "ar_seed"),
        *("ar_begin", "ar_script", "ar_end", "ar_agent"),
    ]
    assert calls(job_of(change(secrets=())))[-1] == f"ar_agent codex exec {IN}/prompt"


def test_what_a_layer_holds_is_not_done_again() -> None:
    job = job_of(baked=1)
    assert [line for line in calls(job) if line.startswith("ar_begin")] == ["ar_begin preflight.run"]
    assert text_of(job, "scripts/00") == "echo run\n"
    assert "in/scripts/01" not in job.files


def test_scripts_prompt_login_and_the_agent_s_own_files_go_along_byte_for_byte() -> None:
    prompt, login = "Gr\u00fc\u00dfe\n\ttab \u2028".encode(), {".codex/auth.json": b'{"token": "\xff"}'}
    job = job_of(prompt=prompt, login=login)
    assert text_of(job, "scripts/00") == "echo cached\n"
    assert text_of(job, "scripts/01") == "echo run\n"
    assert job.files["in/prompt"] == prompt
    assert job.files["in/login/00"] == login[".codex/auth.json"]
    assert text_of(job, "helper.sh") == "echo helps\n"
    assert "ar_seed login/00 .codex/auth.json" in calls(job)


def test_a_test_of_the_scripts_has_neither_agent_nor_prompt() -> None:
    job = job_of(change(agent=None, kind="test"), prompt=b"not to be seen")
    assert not [line for line in calls(job) if line.startswith("ar_agent")]
    assert "in/prompt" not in job.files
    assert not any(b"not to be seen" in data for data in job.files.values())


def test_variables_are_the_person_s_and_ours_stand_apart_from_them() -> None:
    text = text_of(job_of(), "variables.sh")
    theirs, _, ours = text.partition("ar_plan_fixed()")
    assert "export COLOUR=blue" in theirs
    for line in (
        "AGENTS_RUNNER=1",
        "AGENTS_RUNNER_WORKSPACE=/workspace",
        "AGENTS_RUNNER_TASK_ID=t1",
        "AGENTS_RUNNER_ENVIRONMENT='My environment'",
    ):
        assert f"export {line}" in ours


@pytest.mark.parametrize(("uid", "there"), [(0, True), (1000, False)])
def test_an_agent_that_runs_as_root_is_told_so(uid: int, there: bool) -> None:
    assert ("IS_SANDBOX" in text_of(job_of(change(uid=uid)), "variables.sh")) is there


@pytest.mark.parametrize("install", [True, False])
def test_a_desktop_is_started_before_the_run_preflight_and_installed_where_no_layer_has_it(install: bool) -> None:
    desktop = DesktopStart(files={"start.sh": "echo up\n"}, install=install, url="http://127.0.0.1:1/#key")
    job = job_of(change(secrets=()), desktop=desktop)
    words = [line.partition(" ")[0] for line in calls(job)]
    assert text_of(job, "desktop/start.sh") == "echo up\n"
    assert words.count("ar_desktop_start") == 1
    assert words.index("ar_desktop_start") < calls(job).index("ar_begin preflight.run")
    assert ("ar_desktop_install" in words) is install
    assert "AGENTS_RUNNER_DESKTOP_URL='http://127.0.0.1:1/#key'" in text_of(job, "variables.sh")
    assert "ar_desktop" not in "".join(calls(job_of()))


# -- token and secrets ------------------------------------------------------------------------------


def everything_written(spec: ContainerSpec, job: ContainerJob) -> str:
    return f"{spec!r} {job!r} {[*job.files.items()]!r}"


def test_neither_the_token_nor_a_secret_s_value_stands_in_anything_that_is_written_or_shown() -> None:
    job = job_of()
    assert (job.token, dict(job.secrets)) == ("feed", dict(VALUES))
    written = everything_written(job.spec, job)
    assert "feed" not in written
    assert not [value for value in VALUES.values() if value in written]


def test_the_stages_that_run_have_their_secrets_asked_for_and_the_folder_for_them_is_memory() -> None:
    job = job_of()
    assert job.spec.memory_folders == ("/run/secrets",)
    asked = [line for line in calls(job) if line.startswith("ar_secrets")]
    assert asked == [
        """ar_secrets build "$ar_setup" BUILD_KEY ''""",
        """ar_secrets none "$ar_setup" '' ''""",
        """ar_secrets run "$ar_setup" RUN_KEY RUN_KEY""",
        """ar_secrets agent "$AR_UID" AGENT_KEY ''""",
    ]
    assert job.grants == GRANTS


def test_a_secret_of_a_stage_that_does_not_run_is_asked_for_by_nobody() -> None:
    text = text_of(job_of(baked=1), "plan.sh")
    assert "BUILD_KEY" not in text
    assert "RUN_KEY" in text
    alone = job_of(change(agent=None, secrets=GRANTS[2:]))
    assert alone.spec.memory_folders == ()
    assert "ar_secrets" not in text_of(alone, "plan.sh")


def test_without_scripts_and_agent_nothing_is_asked_for() -> None:
    job = job_of(change(agent=None), start=StartPlan(stages=()))
    assert job.spec.memory_folders == ()
    assert calls(job) == ["ar_identity", "ar_workspace"]


# -- on an engine -----------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [True, False])
def test_its_files_are_only_readable_inside_and_on_a_remote_engine_no_path_of_this_machine_is_mounted(
    local: bool, tmp_path: Path
) -> None:
    engine = FakeEngine()
    engine.add_image(BASE.id)
    job = job_of()
    folder = ControlFolders(root=tmp_path / "run", local=local, instance="i").named(job.spec.name, uid=1, gid=2)
    spec = folder.prepare(engine, job.spec, job.files)
    assert spec.open_memory_folders[STATE] > 0, "what the launcher writes down is no folder of the host's"
    if local:
        assert spec.mounts == (
            Mount(source=str(folder.folder / "in"), target=IN, read_only=True),
            Mount(source=str(HostTools(root=tmp_path / "tools").folder()), target=TOOLS, read_only=True),
        )
    else:
        assert spec.mounts == ()
        assert list(spec.read_only_volumes.values()) == [IN]
        assert not (tmp_path / "run").exists()


def test_of_a_container_that_another_process_began_only_what_is_still_needed_is_known() -> None:
    job = adopted_job(CONFIG, VALUES)
    assert (job.kind, job.spec.name, job.token, job.files) == ("task", "agents-runner-task-t1", "feed", {})
    assert (job.grants, job.secrets, job.uid, job.gid) == (GRANTS, VALUES, 1000, 1001)
