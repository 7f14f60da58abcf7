"""What a task leaves in a live folder: setuid bits, foreign owners and the rest are put right after it, and told."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents_runner.core.container import task_container
from tests.docker.conftest import MakeEnvironment
from tests.docker.test_whose_files import with_user
from tests.support import sweep
from tests.support.cli import Cli, Done
from tests.support.docker_program import docker
from tests.support.waiting import until

LATE = """cd "$AGENTS_RUNNER_WORKSPACE"
(
    sleep 1
    cp /bin/bash later && chmod 4755 later
    mkdir -p deep/er && cp /bin/bash deep/er/later && chmod 6755 deep/er/later
    echo f >f && chown 4242 f && chmod 4755 f
    echo g >"$(printf 'a\\nb\\033[31m')" && chown 4242 "$(printf 'a\\nb\\033[31m')"
    echo two >two && ln two two-again && chown 4242 two && chmod 4755 two
    mkdir -m 0700 closed && cp /bin/bash closed/hidden && chmod 4755 closed/hidden
    touch done
) >/dev/null 2>&1 &
"""
AGENT = 'until [ -e "$AGENTS_RUNNER_WORKSPACE/done" ]; do sleep 0.1; done\n'


def notices(done: Done) -> list[str]:
    return [f"{one['message']} {one['hint']}" for one in done.events if one["event"] == "notice"]


def bits(path: Path) -> int:
    return path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)


def hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    os.chown(folder, user.pw_uid, user.pw_gid)


@pytest.mark.parametrize("profile", ["sudo", "standard"])
@pytest.mark.parametrize("ends", ["well", "failed"])
def test_h3_what_a_root_stage_left_running_makes_is_put_right_for_an_ordinary_person(
    make_environment: MakeEnvironment,
    user_cli: Cli,
    user_folder: Path,
    ordinary_user: pwd.struct_passwd,
    profile: str,
    ends: str,
) -> None:
    work = user_folder / "work"
    work.mkdir()
    hand_over(work, ordinary_user)
    old = work / "old"
    old.write_text("mine\n")
    os.chown(old, 4242, 4242)
    old.chmod(0o4755)
    name = make_environment(run_as=user_cli, workspace=str(work), run_preflight_script=LATE, profile=profile)
    done = user_cli("run", name, AGENT + ("exit 3\n" if ends == "failed" else ""), "--json", check=ends == "well")
    assert (work / "done").exists()
    for path in (work / "later", work / "deep/er/later", work / "f", work / "closed/hidden", work / "two"):
        assert not bits(path), path
    for path in (work / "later", work / "f", work / "closed/hidden"):
        assert path.stat().st_uid == ordinary_user.pw_uid
    # Of a file with two names nobody can tell whose the other is; and what was there before stays as it was.
    assert (work / "two").stat().st_uid == 4242
    assert old.stat().st_uid == 4242
    assert bits(old)
    (told,) = [one for one in notices(done) if "left in your folders" in one]
    assert told.isprintable()
    assert "later" in told
    assert "Not put right: " in told
    assert "two" in told.partition("Not put right: ")[2]


def test_h3_a_person_who_is_root_gets_the_same(make_environment: MakeEnvironment, cli: Cli, workspace: Path) -> None:
    name = make_environment(run_preflight_script=LATE, profile="sudo")
    done = cli("run", name, AGENT, "--json")
    for path in (workspace / "later", workspace / "f", workspace / "closed/hidden"):
        assert (bits(path), path.stat().st_uid) == (0, os.getuid())
    assert any("left in your folders" in one for one in notices(done))


def test_h3_an_agents_own_setuid_file_is_cleared_without_a_container(
    make_environment: MakeEnvironment, user_cli: Cli, user_folder: Path, ordinary_user: pwd.struct_passwd
) -> None:
    work = user_folder / "work"
    work.mkdir()
    hand_over(work, ordinary_user)
    name = make_environment(run_as=user_cli, workspace=str(work), profile="sudo")
    agent = 'cd "$AGENTS_RUNNER_WORKSPACE" && cp /bin/bash own && chmod 4755 own && ln -s /etc/passwd link\n'
    done = user_cli("run", name, agent, "--json")
    assert not bits(work / "own")
    (told,) = [one for one in notices(done) if "left in your folders" in one]
    assert "Not put right" not in told


def test_h3_a_task_that_leaves_nothing_says_nothing(
    make_environment: MakeEnvironment, user_cli: Cli, user_folder: Path, ordinary_user: pwd.struct_passwd
) -> None:
    work = user_folder / "work"
    work.mkdir()
    hand_over(work, ordinary_user)
    name = make_environment(run_as=user_cli, workspace=str(work), run_preflight_script="echo x >made\n")
    done = user_cli("run", name, 'echo y >"$AGENTS_RUNNER_WORKSPACE/more"\n', "--json")
    assert not any("left in your folders" in one for one in notices(done))


MAKES = """cp /bin/bash /usr/local/bin/as-root && chmod 4755 /usr/local/bin/as-root
cd "$AGENTS_RUNNER_WORKSPACE"
cp /bin/bash root-own && chmod 4755 root-own
cp /bin/bash given && chown 4242 given && chmod 6755 given
touch done
"""
"""What is left at once, by a stage of root's; and what the agent becomes root by, as by a sudo without a password."""
LONG = """cd "$AGENTS_RUNNER_WORKSPACE"
cp /bin/bash own && chmod 4755 own
as-root -p -c 'cp /bin/bash agents && chmod 4755 agents'
touch begun
sleep 600
"""
LEFT_BEHIND = ("root-own", "given", "own", "agents")


@dataclass(frozen=True, kw_only=True)
class LongTask:
    """An ordinary person's task that has left all it leaves, and would go on for long."""

    cli: Cli
    id: str
    work: Path
    uid: int

    @property
    def container(self) -> str:
        return task_container(self.id)

    def told(self) -> list[str]:
        """Once it has ended: the notices about what it left."""
        over = ("succeeded", "failed", "cancelled")
        until(lambda: self.cli("tasks", "show", self.id, "--json").json["state"] in over)
        notices = self.cli("tasks", "show", self.id, "--json").json["notices"]
        return [one for one in notices if "left in your folders" in one]

    def is_harmless(self) -> None:
        for name in LEFT_BEHIND:
            assert not bits(self.work / name), name

    def is_put_right(self) -> None:
        self.is_harmless()
        for name in LEFT_BEHIND:
            assert (self.work / name).stat().st_uid == self.uid, name


@pytest.fixture
def long_task(
    make_environment: MakeEnvironment, user_cli: Cli, user_folder: Path, ordinary_user: pwd.struct_passwd
) -> Iterator[LongTask]:
    work = user_folder / "work"
    work.mkdir()
    hand_over(work, ordinary_user)
    name = make_environment(
        run_as=user_cli,
        workspace=str(work),
        run_preflight_script=MAKES,
        profile="sudo",
        cache_container_build="false",
    )
    task = user_cli("run", name, LONG, "--detach", "--json").json["task"]
    until((work / "begun").exists)
    made = LongTask(cli=user_cli, id=task, work=work, uid=ordinary_user.pw_uid)
    assert bits(work / "given") or (work / "given").stat().st_uid == 4242
    assert (work / "agents").stat().st_uid == 0
    assert bits(work / "agents")
    yield made
    user_cli("tasks", "stop", task, check=False)


def test_h3_what_a_task_that_is_stopped_leaves_is_put_right_and_named(long_task: LongTask) -> None:
    long_task.cli("tasks", "stop", long_task.id)
    (told,) = long_task.told()
    assert "given" in told
    assert "Not put right" not in told
    # A slow engine mends on after the task's end.
    until(lambda: all((long_task.work / name).stat().st_uid == long_task.uid for name in LEFT_BEHIND))
    long_task.is_put_right()


def killed(cli: Cli) -> None:
    """Every process of this command line's application is killed."""
    home = f"AGENTS_RUNNER_HOME={cli.home}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if home in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def test_h3_a_task_whose_container_is_killed_from_outside_is_looked_after_as_well(long_task: LongTask) -> None:
    docker("kill", long_task.container)
    assert len(long_task.told()) == 1
    long_task.is_put_right()


def test_h3_a_task_that_another_process_resumes_is_looked_after_as_well(long_task: LongTask) -> None:
    """Its application is killed, its container ends while nobody is there."""
    killed(long_task.cli)
    docker("kill", long_task.container)
    long_task.cli("tasks", "list")
    assert len(long_task.told()) == 1
    long_task.is_put_right()


@pytest.mark.parametrize("how", ["stopped", "removed"])
def test_h3_a_task_whose_application_died_is_looked_after_when_it_is_stopped_and_when_its_container_is_gone(
    long_task: LongTask, how: str
) -> None:
    killed(long_task.cli)
    if how == "stopped":
        long_task.cli("tasks", "stop", long_task.id)
    else:
        docker("rm", "-f", long_task.container)
        long_task.cli("tasks", "list")
    (told,) = long_task.told()
    assert "agents" in told
    until(lambda: all((long_task.work / name).stat().st_uid == long_task.uid for name in LEFT_BEHIND))
    long_task.is_put_right()


def test_h3_an_images_own_user_leaves_nothing_either(
    make_environment: MakeEnvironment,
    user_cli: Cli,
    user_folder: Path,
    ordinary_user: pwd.struct_passwd,
    mini_base: str,
) -> None:
    work = user_folder / "work"
    work.mkdir()
    hand_over(work, ordinary_user)
    image = with_user(mini_base, "tool")
    try:
        script = 'cd "$AGENTS_RUNNER_WORKSPACE" && cp /bin/bash {name} && chmod 6755 {name}\n'
        name = make_environment(
            run_as=user_cli,
            base_image=image,
            workspace=str(work),
            run_preflight_script=script.format(name="scripts"),
        )
        done = user_cli("run", name, script.format(name="agents"), "--json")
    finally:
        sweep.remove_base(image)
    for left in ("scripts", "agents"):
        assert (bits(work / left), (work / left).stat().st_uid) == (0, ordinary_user.pw_uid)
    (told,) = [one for one in notices(done) if "left in your folders" in one]
    assert "Not put right" not in told
