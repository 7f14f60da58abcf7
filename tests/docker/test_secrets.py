"""Secrets on a real engine: who sees them, and all the places where they must not be."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from agents_runner.core.container import CONTAINER_INSTANCE
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.rings import ring_environment
from tests.support.search import Watching, files_of, has, in_folder, in_image

WAIT_S = 60.0
LOOK = """
echo "$1 files:$(echo $(ls /run/secrets 2>/dev/null))"
for name in BOTH BUILD RUN AGENT; do
    eval "set -- \\"\\$1\\" \\"\\${$name-}\\""
    [ -z "$2" ] || echo "$1 variable:$name"
    if [ -r /run/secrets/$name ] && [ -n "$2" ]; then
        [ "$(cat /run/secrets/$name; echo x)" = "$2x" ] || echo "$1 DIFFERENT:$name"
    fi
done
"""


def look(stage: str) -> str:
    return f"set -- {stage}\n{LOOK}"


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def values() -> dict[str, str]:
    """A value of its own for each test and name; one of several lines."""
    made = {name: f"c4nary-{name}-{secrets.token_hex(12)}" for name in ("BOTH", "BUILD", "RUN", "AGENT")}
    made["RUN"] = f"first-{secrets.token_hex(8)}\n  'second' \"{secrets.token_hex(8)}\" $(x) \\n\n"
    return made


@pytest.fixture
def ring(tmp_path: Path, cli: Cli) -> Cli:
    """The command line with a keyring of the test's own, which is no file of the application."""
    return Cli(home=cli.home, env=ring_environment(tmp_path))


def canaries(values: dict[str, str]) -> list[str]:
    return [line for value in values.values() for line in value.splitlines()]


STAGES = {"BOTH": ("build", "run", "agent"), "BUILD": ("build",), "RUN": ("run",), "AGENT": ("agent",)}


def set_all(ring: Cli, environment: str, values: dict[str, str], *flags: str) -> None:
    for name, value in values.items():
        stages = [word for stage in STAGES[name] for word in ("--stage", stage)]
        done = ring("env", "secret", "set", environment, name, *stages, *flags, input=value)
        assert not has((done.out + done.err).encode(), canaries(values))


EXPECTED = {
    "cached": ["cached files:BOTH BUILD", "cached variable:BOTH", "cached variable:BUILD"],
    "run": ["run files:BOTH RUN", "run variable:BOTH", "run variable:RUN"],
    "agent": ["agent files:AGENT BOTH", "agent variable:BOTH", "agent variable:AGENT"],
}


def seen(log: list[str], stage: str) -> list[str]:
    return [line for line in log if line.startswith(f"{stage} ")]


@pytest.mark.parametrize("caching", ["true", "false"])
@pytest.mark.parametrize("shell", ["#!/bin/bash\n", "#!/bin/sh\n"])
def test_s1_each_stage_sees_its_own_secrets_and_no_others(
    ring: Cli, make_environment: MakeEnvironment, values: dict[str, str], caching: str, shell: str
) -> None:
    """The cached preflight sees the same ones in a build and at task start; exports of others are carried on."""
    environment = make_environment(
        run_as=ring,
        cache_container_build=caching,
        cached_preflight_script=shell + look("cached") + "export CARRIED=yes\n",
        run_preflight_script=shell + look("run"),
    )
    set_all(ring, environment, values, "--as-variable")
    prompt = look("agent") + 'echo "agent CARRIED=$CARRIED"\n'
    done = ring("run", environment, prompt, "--json")
    for stage, lines in EXPECTED.items():
        assert [line for line in seen(done.log, stage) if "CARRIED" not in line] == lines
    assert seen(done.log, "agent")[-1] == "agent CARRIED=yes"
    again = ring("run", environment, prompt, "--json")
    assert seen(again.log, "cached") == ([] if caching == "true" else EXPECTED["cached"])
    assert seen(again.log, "run") == EXPECTED["run"]


def test_s1_files_alone_unless_a_variable_is_asked_for(
    ring: Cli, make_environment: MakeEnvironment, values: dict[str, str]
) -> None:
    environment = make_environment(run_as=ring, run_preflight_script=look("run"))
    set_all(ring, environment, values)
    log = ring("run", environment, look("agent") + "stat -c 'agent %a %u' /run/secrets/AGENT", "--json").log
    assert seen(log, "run") == ["run files:BOTH RUN"]
    assert seen(log, "agent") == ["agent files:AGENT BOTH", f"agent 400 {os.getuid()}"]


def test_s1_values_arrive_byte_for_byte(ring: Cli, make_environment: MakeEnvironment, workspace: Path) -> None:
    odd = "'\"\\$(touch x)`id`|\n\n=AGENT\n.\n\tü€😀\r\n-n -e \\0\n"
    environment = make_environment(run_as=ring)
    ring("env", "secret", "set", environment, "ODD", "--as-variable", input=odd)
    ring("env", "secret", "set", environment, "LONG", input="long" * 16_000)
    ring("env", "secret", "set", environment, "LINE", input="one line, as echo writes it\n")
    ring("run", environment, 'cp /run/secrets/* . && printf %s "$ODD" >variable && chmod 644 *')
    assert (workspace / "ODD").read_bytes() == odd.encode()
    assert (workspace / "variable").read_bytes() == odd.encode()
    assert (workspace / "LONG").read_bytes() == b"long" * 16_000
    assert (workspace / "LINE").read_bytes() == b"one line, as echo writes it"


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(0.02)


def started(ring: Cli, *args: str, out: Path) -> subprocess.Popen[bytes]:
    """The command line in the background, as a process of its own."""
    environment = os.environ | {"AGENTS_RUNNER_HOME": str(ring.home)} | (ring.env or {})
    with out.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "agents_runner", *args], stdout=file, stderr=file, env=environment
        )


def containers(client: docker.DockerClient, ring: Cli) -> list[docker.models.containers.Container]:
    instance = (ring.home / "instance").read_text()
    return client.containers.list(all=True, filters={"label": f"{CONTAINER_INSTANCE}={instance}"})


USES = """
[ "$BUILD" = "$(cat /run/secrets/BUILD)" ] || exit 9
echo "the build has $BUILD"; echo "halves ${BUILD:0:9}"; echo "${BUILD:9} of it"; set -x; : "$BUILD"; set +x
export EXPORTED="Bearer $BUILD" HARMLESS=yes
echo planted-for-control >/etc/planted
function_with() { echo "$BUILD_COPY"; }
"""


def test_s1_a_secret_is_nowhere_but_where_it_is_used(
    ring: Cli,
    make_environment: MakeEnvironment,
    values: dict[str, str],
    workspace: Path,
    tmp_path: Path,
    client: docker.DockerClient,
) -> None:
    """Layers, histories, configurations, labels, our files and logs, command lines and environments of the host."""
    words = canaries(values)
    wait_in_build = "echo waiting; until [ -e /tmp/go ]; do sleep 0.05; done; rm /tmp/go\n"
    environment = make_environment(
        run_as=ring,
        cached_preflight_script="#!/bin/bash\n" + USES + wait_in_build + "# step: second\necho $BUILD >&2\n",
        run_preflight_script='cat /run/secrets/RUN; echo "$RUN" >&2\n',
    )
    out = tmp_path / "output"
    with Watching(words) as watching:
        set_all(ring, environment, values, "--as-variable")
        before = {image.id for image in client.images.list(all=True)}
        prompt = 'echo "$AGENT $BOTH"; cat /run/secrets/AGENT; touch ready; until [ -e go ]; do sleep 0.05; done'
        task = started(ring, "run", environment, prompt, "--json", out=out)
        try:
            # In the middle of the build, whose script holds its secrets now.
            wait_for(lambda: b"waiting" in out.read_bytes(), task)
            build = containers(client, ring)
            assert [one.labels["io.agents-runner.container.kind"] for one in build] == ["build"]
            assert not has(json.dumps(build[0].attrs).encode(), words)
            assert in_folder(ring.home, words) == []
            assert build[0].exec_run(["touch", "/tmp/go"]).exit_code == 0
            # In the middle of the agent.
            wait_for((workspace / "ready").exists, task)
            running = containers(client, ring)
            assert not has(json.dumps([one.attrs for one in running]).encode(), words)
            assert in_folder(ring.home, words) == []
            (workspace / "go").touch()
            assert task.wait(WAIT_S) == 0
        finally:
            task.kill()
            task.wait()
    assert watching.found == set()
    assert watching.looks > 10
    log = out.read_text()
    assert log.count("***") >= 8
    assert not has(out.read_bytes(), words)
    assert in_folder(ring.home, words) == []
    made = [image.id for image in client.images.list(all=True) if image.id not in before]
    assert len(made) == 2
    for image in made:
        assert in_image(client, image, words) == []
    # The search finds what is there.
    assert [
        place
        for image in made
        for place in in_image(client, image, ["planted-for-control"])
        if "etc/planted" in place
    ]
    # No stub of a file, and what the script exported of it is not carried over; the rest is.
    files = set().union(*(files_of(client, image) for image in made))
    assert not [path for path in files if path.startswith("run/secrets/")]
    assert "EXPORTED" in log
    assert ring("run", environment, 'echo "${EXPORTED-none} $HARMLESS"', "--json").log[-1] == "none yes"
    assert containers(client, ring) == []


def test_s1_a_crash_leaves_no_copy(
    ring: Cli,
    make_environment: MakeEnvironment,
    values: dict[str, str],
    workspace: Path,
    tmp_path: Path,
    client: docker.DockerClient,
) -> None:
    """Nothing of a value is on our disk at any time, so nothing is left to be swept."""
    environment = make_environment(run_as=ring, run_preflight_script="cat /run/secrets/RUN >/dev/null\n")
    set_all(ring, environment, values)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    crashing = Cli(home=ring.home, env={**(ring.env or {}), "XDG_RUNTIME_DIR": str(runtime)})
    task = started(crashing, "run", environment, "touch ready; sleep 600", "--json", out=tmp_path / "output")
    try:
        wait_for((workspace / "ready").exists, task)
        os.kill(task.pid, signal.SIGKILL)
        task.wait()
        words = canaries(values)
        assert in_folder(ring.home, words) + in_folder(runtime, words) == []
        crashing("tasks", "list")
        assert in_folder(ring.home, words) + in_folder(runtime, words) == []
    finally:
        task.kill()
        task.wait()
        for one in containers(client, ring):
            one.remove(force=True, v=True)


def killed_before_sending(ring: Cli, environment: str, prompt: str) -> None:
    """Run a task whose application is killed when its container has asked for secrets and is sent none."""
    script = (
        "import os, signal\n"
        "from agents_runner.engine.docker_engine import DockerEngine\n"
        "DockerEngine.send = lambda self, container, data: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from agents_runner.__main__ import main\n"
        "main()\n"
    )
    env = os.environ | {"AGENTS_RUNNER_HOME": str(ring.home)} | (ring.env or {})
    command = [sys.executable, "-c", script, "run", environment, prompt]
    assert subprocess.run(command, env=env, capture_output=True, timeout=WAIT_S).returncode == -signal.SIGKILL


def test_s1_a_container_whose_application_died_before_it_sent_them_waits(
    make_environment: MakeEnvironment, ring: Cli, engine: object, mini_base: str, client: docker.DockerClient
) -> None:
    """For an application that resumes it: nothing of the stage has begun, and no value is there."""
    environment = make_environment(run_as=ring)
    ring("env", "secret", "set", environment, "TOKEN", input="value-of-the-token")
    killed_before_sending(ring, environment, "echo never")
    found = containers(client, ring)
    assert len(found) == 1
    try:
        assert found[0].status == "running"
        assert b" secrets " in found[0].logs()
        assert b"begin agent" not in found[0].logs()
        assert found[0].exec_run(["ls", "/run/secrets"]).output == b""
    finally:
        found[0].remove(force=True, v=True)


def test_f5_a_container_that_waits_for_its_secrets_goes_on_with_the_next_application(
    make_environment: MakeEnvironment, ring: Cli, client: docker.DockerClient, workspace: Path
) -> None:
    """Though it waited longer than its limit: no time counts in which it could do nothing."""
    limit_s = 12
    environment = make_environment(run_as=ring, run_preflight_script="echo prepared", task_timeout_s=limit_s)
    ring("env", "secret", "set", environment, "TOKEN", "--stage", "agent", input="value-of-the-token")
    killed_before_sending(ring, environment, "cp /run/secrets/TOKEN got; echo went on")
    (found,) = containers(client, ring)
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > limit_s + 1)
    found.reload()
    assert found.status == "running"
    ring("tasks", "list")
    (known,) = ring("tasks", "list", "--json").json
    over = ("succeeded", "failed", "cancelled")
    wait_for(lambda: ring("tasks", "show", known["id"], "--json").json["state"] in over)
    task = ring("tasks", "show", known["id"], "--json").json
    assert task["state"] == "succeeded", task
    assert (workspace / "got").read_text() == "value-of-the-token"
    assert task["phases"]["agent"] < limit_s
    log = ring("tasks", "logs", known["id"]).out
    assert log.count("went on") == log.count("prepared") == 1
    assert log.count("The task waited for the application to send its secrets; it goes on now.") == 1
    assert containers(client, ring) == []


def test_f5_a_question_that_the_engines_log_does_not_have_any_more_is_asked_again(
    make_environment: MakeEnvironment, ring: Cli, client: docker.DockerClient, workspace: Path
) -> None:
    """What a run preflight left running says more than the engine keeps, before anybody has answered."""
    flood = (
        "(cd /workspace; while [ ! -e go ]; do sleep 0.1; done; printf -v line '%60000s' x\n"
        'for n in {1..1200}; do echo "$line"; done; touch flooded) &\n'
    )
    environment = make_environment(run_as=ring, run_preflight_script=flood)
    ring("env", "secret", "set", environment, "TOKEN", "--stage", "agent", input="value-of-the-token")
    killed_before_sending(ring, environment, "cp /run/secrets/TOKEN got; echo went on")
    (found,) = containers(client, ring)
    assert b"begin preflight.run" in found.logs()
    (workspace / "go").touch()
    wait_for((workspace / "flooded").exists)
    assert b"begin preflight.run" not in found.logs()
    ring("tasks", "list")
    (known,) = ring("tasks", "list", "--json").json
    over = ("succeeded", "failed", "cancelled")
    wait_for(lambda: ring("tasks", "show", known["id"], "--json").json["state"] in over)
    task = ring("tasks", "show", known["id"], "--json").json
    assert task["state"] == "succeeded", task
    assert (workspace / "got").read_text() == "value-of-the-token"
    assert containers(client, ring) == []


def test_s1_another_value_is_no_other_image_and_another_stage_is(
    ring: Cli, make_environment: MakeEnvironment, values: dict[str, str]
) -> None:
    environment = make_environment(run_as=ring, cached_preflight_script="cat /run/secrets/BUILD | md5sum\n")
    set_all(ring, environment, values)
    first = ring("run", environment, "true", "--json")
    assert first.phase("build.env")["cache"] == "built"
    ring("env", "secret", "set", environment, "BUILD", input="another value of it")
    assert ring("run", environment, "true", "--json").phase("build.env")["cache"] == "hit"
    ring("env", "secret", "set", environment, "AGENT", "--stage", "run", input="another value of it")
    assert ring("run", environment, "true", "--json").phase("build.env")["cache"] == "hit"
    ring("build", environment, "--force")
    ring("env", "secret", "set", environment, "RUN", "--stage", "build", input=values["RUN"])
    assert ring("run", environment, "true", "--json").phase("build.env")["cache"] == "built"


def test_s1_a_build_that_fails_falls_back_with_its_secrets(
    ring: Cli, make_environment: MakeEnvironment, values: dict[str, str]
) -> None:
    script = look("cached") + 'cat /run/secrets/BUILD; [ "$AGENTS_RUNNER_STAGE" != build ]\n'
    environment = make_environment(run_as=ring, cached_preflight_script=script)
    set_all(ring, environment, values, "--as-variable")
    done = ring("run", environment, look("agent"), "--json")
    assert done.phase("build.env")["cache"] == "fallback"
    assert seen(done.log, "cached") == EXPECTED["cached"] * 2
    assert not has(done.out.encode(), canaries(values))
    failed = ring("build", environment, check=False)
    assert failed.code == 1
    assert not has((failed.out + failed.err).encode(), canaries(values))


def test_s1_a_missing_value_stops_the_task_before_it_is_made(
    ring: Cli, make_environment: MakeEnvironment, client: docker.DockerClient
) -> None:
    environment = make_environment(run_as=ring, secrets="TOKEN")
    done = ring("run", environment, "true", check=False)
    assert done.code == 1
    assert "The secret TOKEN has no value. " in done.err
    assert "env secret set" in done.err
    assert ring("tasks", "list", "--json").json == []
    assert ring("env", "secret", "list", environment, "--json").json == [
        {"name": "TOKEN", "stages": ["run", "agent"], "as_variable": False, "value": "missing"}
    ]


def test_s1_exports_of_an_environment_hold_names_only(
    ring: Cli, make_environment: MakeEnvironment, values: dict[str, str], tmp_path: Path
) -> None:
    environment = make_environment(run_as=ring)
    set_all(ring, environment, values)
    exported = ring("env", "export", environment).out
    assert set(json.loads(exported)["secrets"]) == set(values)
    assert not has(exported.encode(), canaries(values))
    kept = json.loads((tmp_path / "test-keyring.json").read_text())
    assert sorted(kept.values()) == sorted(values.values())
    ring("env", "secret", "delete", environment, "BOTH")
    ring("env", "delete", environment)
    assert json.loads((tmp_path / "test-keyring.json").read_text()) == {}


def test_s3_without_a_keyring_a_file_is_used_after_a_choice_only(
    cli: Cli, make_environment: MakeEnvironment, workspace: Path
) -> None:
    bare = Cli(home=cli.home, env={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    environment = make_environment(run_as=bare)
    refused = bare("env", "secret", "set", environment, "TOKEN", input="value-of-the-token", check=False)
    assert refused.code == 1
    assert "--storage file" in refused.err
    assert in_folder(cli.home, ["value-of-the-token"]) == []
    said = bare("env", "secret", "set", environment, "TOKEN", "--storage", "file", input="value-of-the-token").out
    assert "plain text" in said
    (path,) = (cli.home / "secrets").glob("*.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    bare("env", "secret", "set", environment, "OTHER", input="another-token-value")
    bare("run", environment, "cat /run/secrets/TOKEN /run/secrets/OTHER >both")
    assert (workspace / "both").read_text() == "value-of-the-tokenanother-token-value"
    assert in_folder(cli.home, ["value-of-the-token"]) == [str(path)]


def test_s1_files_belong_to_the_user_of_the_stage(
    user_cli: Cli, user_folder: Path, make_environment: MakeEnvironment, ordinary_user: pwd.struct_passwd
) -> None:
    """The image's user is root: scripts run as root, the agent as the person, who cannot read another's secret."""
    person = Cli(
        home=user_cli.home, prefix=user_cli.prefix, env={**(user_cli.env or {}), **ring_environment(user_folder)}
    )
    work = user_folder / "work"
    work.mkdir()
    os.chown(work, ordinary_user.pw_uid, ordinary_user.pw_gid)
    show = 'stat -c "$1 %n %a %u" /run/secrets/*\n'
    environment = make_environment(
        run_as=person,
        workspace=str(work),
        run_preflight_script=f"set -- run\n{show}",
        cached_preflight_script="true\n",
    )
    person("env", "secret", "set", environment, "MINE", "--stage", "agent", input="the agent's own value")
    person("env", "secret", "set", environment, "BOTH", "--stage", "run", "--stage", "agent", input="a common value")
    done = person(
        "run",
        environment,
        f"set -- agent\n{show}cat /run/secrets/MINE >mine\ntouch /run/secrets/x",
        "--json",
        check=False,
    )
    assert seen(done.log, "run") == ["run /run/secrets/BOTH 400 0"]
    uid = ordinary_user.pw_uid
    assert seen(done.log, "agent") == [f"agent /run/secrets/BOTH 400 {uid}", f"agent /run/secrets/MINE 400 {uid}"]
    assert (work / "mine").read_text() == "the agent's own value"
    assert done.code != 0, "the folder is root's: nobody else puts files there"


def test_s2_a_task_that_is_resumed_after_a_crash_is_masked_as_before(
    ring: Cli, make_environment: MakeEnvironment, workspace: Path, tmp_path: Path
) -> None:
    environment = make_environment(run_as=ring)
    value = f"c4nary-{secrets.token_hex(12)}"
    ring("env", "secret", "set", environment, "TOKEN", input=value)
    show = "cat /run/secrets/TOKEN; echo"
    prompt = f"{show}; touch ready; until [ -e go ]; do sleep 0.05; done; {show}"
    task = started(ring, "run", environment, prompt, "--json", out=tmp_path / "output")
    try:
        wait_for((workspace / "ready").exists, task)
        task.kill()
        task.wait()
        ring("tasks", "list")
        (workspace / "go").touch()
        (known,) = ring("tasks", "list", "--json").json
        wait_for(lambda: ring("tasks", "show", known["id"], "--json").json["state"] == "succeeded")
    finally:
        task.kill()
        task.wait()
    log = ring("tasks", "logs", known["id"]).out
    assert log.count("***") == 2
    assert in_folder(ring.home, [value]) == []
