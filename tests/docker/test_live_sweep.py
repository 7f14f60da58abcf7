"""What a task leaves in a live folder: setuid bits, foreign owners and the rest are put right after it, and told."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli, Done

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
