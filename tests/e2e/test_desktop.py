"""The desktop on a real Debian with real packages: its layers, and what a real browser sees of it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest

import agents_runner
from tests.e2e.desktops import CACHED, RFB, Built, Desk, RunningTask, greeting, refusal, token_of
from tests.support.browser import Browser
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.processes import command_lines
from tests.support.waiting import until

TERMINAL = {"profile": "sudo"}
"""What a desk of root's needs for an xterm: it hands its own child root's groups, and ends where it may not."""
BLUE = (0x12, 0x34, 0x56)
WAITS = "while [ ! -e /workspace/stop ]; do sleep 0.1; done"
# The window's own program writes the file, so that it is there once the line is complete.
TYPED = (
    "xterm -bg '#123456' -geometry 100x30 -e "
    "sh -c 'cd /workspace; read line; printf %s \"$line\" >.typed; mv .typed typed.txt'"
)


# --- layers ------------------------------------------------------------------------------------------------


def test_both_layers_are_built_and_then_hit(built: Built) -> None:
    assert [(layer["kind"], layer["state"]) for layer in built.before["layers"]] == [
        ("desktop", "miss"),
        ("env", "miss"),
    ]
    assert built.phases["build.desktop"]["cache"] == "built"
    assert built.phases["build.env"]["cache"] == "built"
    assert built.phases["desktop"]["state"] == "finished"
    assert built.phases["desktop.install"] == {}
    assert [layer["state"] for layer in built.after["layers"]] == ["hit", "hit"]
    assert built.after["desktop"] == "layer"
    again = built.desk.cli("run", "desk", 'echo "$DISPLAY $TOOLS"', "--json")
    assert again.phase("build.desktop")["cache"] == again.phase("build.env")["cache"] == "hit"
    assert again.log[-1] == ":0 /opt/tools"


def test_the_image_is_environment_on_desktop_on_base(built: Built) -> None:
    def layers(image: str) -> list[str]:
        found: list[str] = json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]
        return found

    base, desktop, env = built.before["base"]["id"], *(layer["tag"] for layer in built.after["layers"])
    assert layers(env)[:-1] == layers(desktop)
    assert layers(desktop)[:-1] == layers(base)
    assert env.startswith("agent-runner-env:desktop-")
    comments = docker("history", "--no-trunc", "--format", "{{.Comment}}", env).splitlines()
    assert comments[:2] == ["agents-runner env layer", "agents-runner desktop layer"]


def test_another_cached_preflight_rebuilds_one_layer(desk: Desk) -> None:
    name = desk.environment("other", cached_preflight_script=CACHED + "echo more >/opt/tools/more\n")
    assert desk.states(name) == [("desktop", "hit"), ("env", "miss")]
    done = desk.cli("run", name, "cat /opt/tools/more", "--json")
    assert done.phase("build.desktop")["cache"] == "hit"
    assert done.phase("build.env")["cache"] == "built"
    assert done.log[-1] == "more"


def changed_program(folder: Path, script: str, old: str, new: str) -> tuple[str, ...]:
    """A copy of the program with one of its desktop scripts changed: what to put before a command that runs it."""
    source = Path(agents_runner.__file__).parent
    copy = folder / "changed" / "agents_runner"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "desktop" / script
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return ("env", "-C", str(copy.parent))


@pytest.mark.parametrize("script", ["install.sh", "start.sh"])
def test_another_desktop_script_rebuilds_both(desk: Desk, ready_base: str, tmp_path: Path, script: str) -> None:
    name = desk.environment(f"changed-{script}", base_image=ready_base)
    desk.cli("build", name)
    assert desk.states(name) == [("desktop", "hit"), ("env", "hit")]
    changed = Cli(home=desk.cli.home, prefix=changed_program(tmp_path, script, "set -u", "set -u # other"))
    assert desk.states(name, changed) == [("desktop", "miss"), ("env", "miss")]
    assert [layer["result"] for layer in changed("build", name, "--json").json["layers"]] == ["built", "built"]
    assert desk.states(name, changed) == desk.states(name) == [("desktop", "hit"), ("env", "hit")]


# --- the combinations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cached", ["false", "true"])
@pytest.mark.parametrize("env", ["false", "true"])
def test_the_four_combinations_end_the_same(desk: Desk, ready_base: str, cached: str, env: str) -> None:
    name = desk.environment(
        f"combination-{cached}-{env}",
        base_image=ready_base,
        cache_desktop_build=cached,
        cache_container_build=env,
        run_preflight_script='echo "run: $DISPLAY ${AGENTS_RUNNER_DESKTOP_URL%%:[0-9]*}"\n',
    )
    assert desk.plan(name)["desktop"] == ("layer" if cached == "true" else "at-start")
    prompt = 'xdotool getdisplaygeometry; cat "$TOOLS/version"; echo "${AGENTS_RUNNER_DESKTOP_URL%%:[0-9]*}"'
    done = desk.cli("run", name, prompt, "--json")
    assert done.log[-4:] == ["run: :0 http://127.0.0.1", "1280 800", "tool 1", "http://127.0.0.1"]
    assert bool(done.phase("build.desktop")) is (cached == "true")
    assert bool(done.phase("desktop.install")) is (cached == "false")
    assert bool(done.phase("build.env")) is (env == "true")
    assert bool(done.phase("preflight.cached")) is (env == "false")
    assert done.result["image"].startswith(
        {
            ("true", "true"): "agent-runner-env:desktop-",
            ("false", "true"): "agent-runner-env:base-",
            ("true", "false"): "agent-runner-desktop:base-",
            ("false", "false"): ready_base,
        }[cached, env]
    )


def test_a_failed_desktop_build_keeps_the_environments_layer(desk: Desk, ready_base: str, tmp_path: Path) -> None:
    failing = '[ "$AGENTS_RUNNER_STAGE" = run ] || { echo "no build today"; exit 9; }\n'
    changed = Cli(
        home=desk.cli.home,
        prefix=changed_program(tmp_path, "install.sh", "set -u\n", "set -u\n" + failing),
    )
    name = desk.environment("no-desktop-build", base_image=ready_base, cached_preflight_script=CACHED + "true\n")
    done = changed("run", name, 'cat "$TOOLS/version"; wmctrl -m | head -n 1', "--json")
    assert done.phase("build.desktop")["cache"] == "fallback"
    assert done.phase("build.env")["cache"] == "built"
    assert done.phase("desktop.install")["state"] == "finished"
    assert done.result["image"].startswith("agent-runner-env:base-")
    assert done.log[-2:] == ["tool 1", "Name: Fluxbox"]
    assert any("installed at task start instead" in one.get("message", "") for one in done.events)


def test_a_failed_environment_build_keeps_the_desktops_layer(desk: Desk, ready_base: str) -> None:
    failing = '[ "$AGENTS_RUNNER_STAGE" = run ] || exit 7\n'
    name = desk.environment("no-env-build", base_image=ready_base, cached_preflight_script=failing + CACHED)
    done = desk.cli("run", name, 'cat "$TOOLS/version"; wmctrl -m | head -n 1', "--json")
    assert done.phase("build.env")["cache"] == "fallback"
    assert done.phase("preflight.cached")["state"] == "finished"
    assert done.phase("desktop.install") == {}
    assert done.result["image"].startswith("agent-runner-desktop:base-")
    assert done.log[-2:] == ["tool 1", "Name: Fluxbox"]


def test_a_base_of_no_known_family_goes_on_without(desk: Desk, mini_base: str) -> None:
    for cached in ("true", "false"):
        name = desk.environment(f"mini-{cached}", base_image=mini_base, cache_desktop_build=cached)
        done = desk.cli("run", name, 'cat "$TOOLS/version"; echo "screen: ${DISPLAY-none}"', "--json")
        notices = [one["message"] for one in done.events if one["event"] == "notice"]
        assert len(notices) == 1
        assert "no Debian, Ubuntu or Arch" in notices[0]
        assert done.log[-2:] == ["tool 1", "screen: none"]
        assert done.result["state"] == "succeeded"


def test_an_ordinary_user_with_sudo_installs_what_is_missing(person_desk: Desk, ready_base: str) -> None:
    """The image's user is not root; one of the programs is missing and comes from the real package source."""
    made = docker("create", ready_base, "sh", "-c", (
        "apt-get remove -y wmctrl && useradd -m -s /bin/bash person && "
        "echo 'person ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/person"
    )).strip()  # fmt: skip
    ref = "agents-runner-test-desktop:person"
    try:
        docker("start", "-a", made)
        docker("commit", "-c", "USER person", "-c", 'CMD ["/bin/bash"]', made, ref)
        name = person_desk.environment("person", base_image=ref)
        done = person_desk.cli("run", name, "wmctrl -m | head -n 1", "--json")
        assert done.phase("build.desktop")["cache"] == "built"
        assert any("installing on debian (missing: wmctrl" in line for line in done.log)
        assert "Name: Fluxbox" in done.log
    finally:
        docker("rm", "-f", made)
        person_desk.remove_layers("person")
        subprocess.run(["docker", "rmi", "--no-prune", ref], capture_output=True, check=False)


# --- services ----------------------------------------------------------------------------------------------


def test_a_service_that_dies_is_named_with_its_last_lines(desk: Desk) -> None:
    name = desk.environment("dies")
    prompt = "pkill -KILL Xvnc; until [ -e /tmp/agents-runner-desktop/Xvnc.ended ]; do sleep 0.05; done; echo on"
    done = desk.cli("run", name, prompt, "--json")
    assert done.result["state"] == "succeeded"
    assert "on" in done.log
    at = next(number for number, line in enumerate(done.log) if line.startswith("desktop: Xvnc ended (status 137)"))
    assert any(line.startswith("desktop:   | ") for line in done.log[at + 1 : at + 6])


def test_a_service_that_does_not_start_is_named_and_the_task_goes_on(desk: Desk) -> None:
    broken = CACHED + "printf '#!/bin/sh\\necho no luck today >&2\\nexit 4\\n' >/usr/local/bin/Xvnc\n"
    name = desk.environment("broken", cached_preflight_script=broken + "chmod +x /usr/local/bin/Xvnc\n")
    done = desk.cli("run", name, 'echo "screen: ${DISPLAY-none}"', "--json")
    assert done.phase("desktop")["state"] == "failed"
    assert "desktop:   | no luck today" in done.log
    notices = [one["message"] for one in done.events if one["event"] == "notice"]
    assert notices == ["The desktop did not start: Xvnc ended (status 4)."]
    assert done.log[-1] == "screen: none"
    assert done.result["state"] == "succeeded"
    assert "ended" in desk.cli("tasks", "desktop", done.result["task"], check=False).err


def test_the_agents_exit_code_and_signals_are_its_own(desk: Desk) -> None:
    name = desk.environment("exits")
    assert desk.cli("run", name, "exit 9", "--json", check=False).code == 9
    trap = "trap 'touch /workspace/got-term; exit 3' TERM; echo waiting; while :; do sleep 0.1; done"
    with desk.running(name, trap) as task:
        task.ready()
        until(lambda: "waiting" in task.log())
        desk.cli("tasks", "stop", task.id)
        assert (task.workspace / "got-term").exists()
    interrupt = "trap 'echo got INT' INT; kill -INT $$; echo after"
    assert desk.cli("run", name, interrupt, "--json").log[-2:] == ["got INT", "after"]


@pytest.mark.parametrize(
    ("size", "geometry"), [("1024x768", "1024 768"), ("800x60000", "1280 800"), ("-help", "1280 800")]
)
def test_the_screen_has_the_size_that_the_environment_wants(desk: Desk, size: str, geometry: str) -> None:
    """A variable of the environment is none of the desktop layer's business."""
    fields = {"cache_container_build": "false", "env_vars.DESKTOP_SIZE": size}
    name = desk.environment(f"size-{geometry.replace(' ', '-')}-{len(size)}", **fields)
    done = desk.cli("run", name, "xdotool getdisplaygeometry", "--json")
    assert done.phase("build.desktop")["cache"] == "hit"
    assert done.log[-1] == geometry
    assert any("DESKTOP_SIZE is no size" in line for line in done.log) is (geometry == "1280 800")


# --- what a person sees -------------------------------------------------------------------------------------


def test_a_browser_with_the_token_sees_and_types(desk: Desk, browser: Browser) -> None:
    name = desk.environment("typing", **TERMINAL)
    with desk.running(name, TYPED) as task:
        task.ready()
        with browser.open(task.url()) as page:
            page.wait_for_state("Connected")
            until(lambda: page.pixels(*BLUE) > 100_000, what="the agent's terminal on the page")
            page.click(300, 300)
            page.type("hello from outside 42\n")
            typed = task.workspace / "typed.txt"
            until(typed.exists, what="the file that the typing makes")
            assert typed.read_text() == "hello from outside 42"
            assert task.ended()["state"] == "succeeded"
            # What is behind the page is gone, and the page says so.
            page.wait_for_state("Trying again")


def test_s4_without_its_token_nothing_is_seen(desk: Desk, browser: Browser) -> None:
    name = desk.environment("secret", **TERMINAL)
    shows = f"xterm -bg '#123456' & {WAITS}"
    with desk.running(name, shows) as task, desk.running(desk.environment("secret-2", **TERMINAL), shows) as other:
        url, others = task.ready().url(), other.ready().url()
        bare = url.partition("#")[0]
        wrong = {
            "none": bare,
            "wrong": f"{bare}#token=" + "A" * len(token_of(url)),
            "another task's": f"{bare}#token={token_of(others)}",
            "of the wrong length": f"{bare}#token={token_of(url)[:-1]}",
        }
        for what, address in wrong.items():
            with browser.open(address) as page:
                page.wait_for_state("does not open the desktop")
                assert page.js("document.querySelector('canvas') === null"), what
            assert refusal(address, token_of(address)) == 403, what
        # The control: with its own token the same page shows the window.
        assert greeting(url, token_of(url)) == RFB
        with browser.open(url) as page:
            page.wait_for_state("Connected")
            until(lambda: page.pixels(*BLUE) > 10_000, what="the terminal")


def test_s4_view_only_cannot_type_whatever_the_page_says(desk: Desk, browser: Browser) -> None:
    name = desk.environment("view", **TERMINAL)
    with desk.running(name, TYPED) as task:
        task.ready()
        view, control = task.url(view_only=True), task.url()
        assert token_of(view) != token_of(control)
        # Without `view=1` the page itself would send keys: the proxy does not let them pass.
        with browser.open(view.replace("&view=1", "")) as page:
            page.wait_for_state("Connected")
            until(lambda: page.pixels(*BLUE) > 100_000, what="the terminal on the page that may only look")
            assert page.js("document.getElementById('view-only').checked") is False
            page.click(300, 300)
            page.type("not this ")
        with browser.open(view) as page:
            page.wait_for_state("Connected")
            assert page.js("document.getElementById('view-only').checked") is True
        with browser.open(control) as page:
            page.wait_for_state("Connected")
            page.click(300, 300)
            page.type("but this\n")
            until((task.workspace / "typed.txt").exists, what="the file")
        assert (task.workspace / "typed.txt").read_text() == "but this"


def owner_of(task: RunningTask) -> int:
    """The process that runs a task."""
    with sqlite3.connect(f"file:{task.cli.home}/tasks.sqlite3?mode=ro", uri=True) as database:
        return int(database.execute("SELECT owner_pid FROM tasks WHERE id = ?", (task.id,)).fetchone()[0])


def test_after_a_kill_the_same_address_opens_again(desk: Desk, browser: Browser, tmp_path: Path) -> None:
    name = desk.environment("killed", **TERMINAL)
    with desk.running(name, f"xterm -bg '#123456' -geometry 100x30 & {WAITS}") as task:
        url = task.ready().url()
        with browser.open(url) as page:
            page.wait_for_state("Connected")
            os.kill(owner_of(task), signal.SIGKILL)
            page.wait_for_state("Trying again")
            # Any look at the tasks adopts them; the page finds its way back by itself.
            until(lambda: task.desktop().code == 0, what="the proxy")
            assert task.url() == url
            page.wait_for_state("Connected")
            until(lambda: page.pixels(*BLUE) > 100_000, what="the terminal")
        (task.workspace / "stop").touch()
        assert task.ended()["state"] == "succeeded"
    last = tmp_path / "last.png"
    desk.cli("tasks", "screenshot", task.id, str(last))
    assert colour_count(last) > 100_000


# --- who else can reach it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched(built: Built) -> Iterator[RunningTask]:
    """A task with a desktop that runs while several tests look at it from outside."""
    name = built.desk.environment("watched", run_preflight_script="env; xterm &\n")
    with built.desk.running(name, f"env; ps axo args; {WAITS}") as task:
        yield task.ready()


def own_addresses() -> list[str]:
    """This machine's addresses other than 127.0.0.1."""
    said = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    return ["127.0.0.2", *(one for one in said if ":" not in one)]


def reachable(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def test_s5_the_proxy_is_on_loopback_only(watched: RunningTask) -> None:
    port = watched.keys["port"]
    assert reachable("127.0.0.1", port)
    assert len(own_addresses()) > 1
    assert [one for one in own_addresses() if reachable(one, port)] == []


def look(task: RunningTask, base: str, script: str) -> str:
    """What a container beside the task's sees of its processes and its network.

    It may look into every process: what the agent's parent holds is kept even from root in the task's own container.
    """
    beside = ("--pid", f"container:{task.container}", "--network", f"container:{task.container}")
    words = ("--rm", "--label", "agents-runner.test=look", "--cap-add", "SYS_PTRACE", *beside)
    return docker("run", *words, base, "sh", "-c", script)


SOCKETS = r"""cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp
find /proc/[0-9]*/fd -lname 'socket:*' -printf 'held by %p %l\n' 2>/dev/null; true"""
RESOLVER = "0B00007F"
"""127.0.0.11, as the kernel writes it: the engine's own name server, within each container on a network apart."""


def test_s5_the_container_publishes_and_listens_to_nothing(watched: RunningTask, debian_base: str) -> None:
    found = json.loads(docker("inspect", watched.container))[0]
    assert not found["HostConfig"]["PortBindings"]
    assert not any(found["NetworkSettings"]["Ports"].values())
    lines = look(watched, debian_base, SOCKETS).splitlines()
    held = {line.rpartition("socket:[")[2].rstrip("]") for line in lines if line.startswith("held by ")}
    assert held, "the look sees what the processes hold"
    sockets = [line.split() for line in lines if ":" in line.split()[0] and not line.startswith("held by ")]
    assert [one for one in sockets if not one[1].startswith(f"{RESOLVER}:")] == []
    # What is left is the engine's: no process of the container holds it.
    assert not {one[9] for one in sockets} & held


def test_s4_a_neighbour_on_the_same_bridge_finds_every_port_closed(watched: RunningTask, debian_base: str) -> None:
    networks = json.loads(docker("inspect", watched.container))[0]["NetworkSettings"]["Networks"]
    name, network = next(iter(networks.items()))
    port = watched.keys["port"]
    probe = (
        'try() { timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null && echo open $1 $2; }; '
        f"for p in $(seq 5900 5910) $(seq 6000 6010) $(seq 6080 6090) {port}; do "
        f"try {network['IPAddress']} $p; done; try {network['Gateway']} {port}; "
        # The control: something that does listen there is found.
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>/dev/null; echo looked"
    )
    said = docker(
        "run", "--rm", "--label", "agents-runner.test=neighbour", "--network", name, debian_base, "bash", "-c", probe
    )
    assert said.splitlines() == ["looked"]


def answer(port: int, path: str, **headers: str) -> int:
    proxy = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        proxy.request("GET", path, headers=headers)
        return proxy.getresponse().status
    finally:
        proxy.close()


def test_s4_foreign_hosts_and_origins_are_refused(watched: RunningTask) -> None:
    """A page of somebody else's that has its own name point here gets nothing, token or not."""
    url, port = watched.url(), watched.keys["port"]
    token = token_of(url)
    assert answer(port, "/") == 200
    assert answer(port, "/", Host="desktop.example:80") == 421
    assert answer(port, "/check", Authorization=f"Bearer {token}") == 204
    assert answer(port, "/check", Authorization=f"Bearer {token}", Host=f"desktop.example:{port}") == 421
    assert answer(port, "/check", Authorization=f"Bearer {token}x") == 403
    assert refusal(url, token, Origin="http://desktop.example") == 403
    assert greeting(url, token, Origin=f"http://127.0.0.1:{port}") == RFB
    beside = "access_tokens.py"
    assert resources.files("agents_runner.desktop").joinpath(beside).is_file()
    up = ("/..", "/%2e%2e", "/novnc/../..", "/novnc/%2e%2e/%2e%2e")
    for path in (*(f"{way}/{beside}" for way in up), "/novnc/../page.js", "/page.html", "/novnc/core"):
        assert answer(port, path) == 404, path


OUR_FILES = "cat /run/agents-runner/in/plan.sh /tmp/agents-runner-desktop/*.log"
EVERY_PROCESS = """for process in /proc/[0-9]*; do
    cat "$process/cmdline" "$process/environ" 2>/dev/null || [ ! -d "$process" ] || exit 1
done"""
"""A process may end between the look and the reading; one that is there and cannot be read is a failure."""


def test_s4_the_token_is_in_no_log_label_argument_or_variable(watched: RunningTask, debian_base: str) -> None:
    greeting(watched.url(), token_of(watched.url()))
    tokens = [watched.keys["control"], watched.keys["view"]]
    assert all(len(token) * 6 >= 128 for token in tokens)
    home = watched.cli.home

    places = {
        "inspect": docker("inspect", watched.container),
        "processes inside": look(watched, debian_base, EVERY_PROCESS),
        "files inside": docker("exec", watched.container, "sh", "-c", OUR_FILES),
        "the container's log": docker("logs", watched.container),
        "the task": json.dumps(watched.show()) + "\n".join(watched.log()),
        "processes outside": b"".join(command_lines()).decode("utf-8", "replace"),
    }  # fmt: skip
    assert "AGENTS_RUNNER_DESKTOP_URL=http://127.0.0.1:" in places["the task"]
    assert all("sh\0" in places[what] for what in ("processes inside", "processes outside"))
    for what, text in places.items():
        assert not any(token in text for token in tokens), what
    holders = [path for path in home.rglob("*") if path.is_file() and tokens[0].encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["desktop.json"]
    assert holders[0].stat().st_mode & 0o777 == 0o600


# --- pictures -----------------------------------------------------------------------------------------------


def test_screenshots_now_and_at_the_end(desk: Desk, tmp_path: Path) -> None:
    name = desk.environment("pictures", **TERMINAL)
    with desk.running(name, f"xterm -bg '#123456' -geometry 100x30 & {WAITS}") as task:
        task.ready()
        shot = tmp_path / "now.png"
        until(lambda: blue_pixels(desk, task, shot) > 100_000, what="the terminal on a screenshot")
        (task.workspace / "stop").touch()
        assert task.ended()["state"] == "succeeded"
    last = tmp_path / "last.png"
    assert desk.cli("tasks", "screenshot", task.id, str(last), "--json").json["live"] is False
    assert colour_count(last) > 100_000
    gone = task.desktop()
    assert gone.code == 1
    assert gone.json["error"]["code"] == "no-desktop"
    assert not (desk.cli.home / "tasks" / task.id / "desktop.json").exists()


def test_s6_an_agent_without_any_right_has_a_terminal_on_its_screen(person_desk: Desk, user_folder: Path) -> None:
    picture = user_folder / "now.png"  # written by the person, who may not write below this test's own folder
    name = person_desk.environment("person-terminal")
    rights = "grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status"
    try:
        with person_desk.running(name, f"{rights}; xterm -bg '#123456' -geometry 100x30 & {WAITS}") as task:
            task.ready()
            until(lambda: blue_pixels(person_desk, task, picture) > 100_000, what="the terminal")
            assert {"CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} <= set(task.log())
    finally:
        person_desk.remove_layers(name)


def test_a_stopped_task_keeps_its_last_picture(desk: Desk, tmp_path: Path) -> None:
    name = desk.environment("stopped", **TERMINAL)
    with desk.running(name, f"xterm -bg '#123456' -geometry 100x30 & {WAITS}") as task:
        task.ready()
        until(lambda: blue_pixels(desk, task, tmp_path / "now.png") > 100_000, what="the terminal")
    assert task.ended()["state"] == "cancelled"
    desk.cli("tasks", "screenshot", task.id, str(tmp_path / "last.png"))
    assert colour_count(tmp_path / "last.png") > 100_000


def test_no_desktop_is_said_plainly(desk: Desk, tmp_path: Path) -> None:
    name = desk.environment("plain", headless_desktop_enabled="false")
    with desk.running(name, WAITS) as task:
        task.ready()
        for words in (("desktop", task.id), ("screenshot", task.id, str(tmp_path / "x.png"))):
            said = desk.cli("tasks", *words, "--json", check=False)
            assert said.code == 1
            assert "has no desktop" in said.json["error"]["message"]
            assert "Turn the desktop on" in said.json["error"]["hint"]
    assert not (tmp_path / "x.png").exists()


def blue_pixels(desk: Desk, task: RunningTask, path: Path) -> int:
    desk.cli("tasks", "screenshot", task.id, str(path))
    return colour_count(path)


def colour_count(path: Path) -> int:
    """How many pixels of a picture have the terminal's colour, by Qt's own reader."""
    from PySide6.QtGui import QImage

    image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB888)
    assert (image.width(), image.height()) == (1280, 800)
    data = bytes(image.constBits())
    return sum(data[line * image.bytesPerLine() :][: 1280 * 3].count(bytes(BLUE)) for line in range(800))


# --- many ---------------------------------------------------------------------------------------------------


def test_ten_desktops_at_once_all_answer(built: Built) -> None:
    desk = built.desk
    names = [desk.environment(f"many-{number}") for number in range(10)]
    tasks = [desk.cli("run", name, WAITS, "--detach", "--json").json["task"] for name in names]
    try:
        found = [
            RunningTask(cli=desk.cli, id=task, workspace=desk.folder / name).ready()
            for task, name in zip(tasks, names, strict=True)
        ]
        urls = [task.url() for task in found]
        assert len({url.partition("#")[0] for url in urls}) == len({token_of(url) for url in urls}) == 10
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(lambda url: greeting(url, token_of(url)), urls)) == [RFB] * 10
    finally:
        for name in names:
            (desk.folder / name / "stop").touch()
        for task in tasks:
            desk.cli("tasks", "stop", task)
