"""Images over time: what is shown of them, what is collected, what is refreshed, and what nobody ever touches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core import container as labels
from agents_runner.core.container import CommitSpec, ContainerSpec
from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.many_images import FOREIGN, many_images, our_tag
from tests.support.registry import Registry

DAY_S = 86400
KEEP_NOTHING = {"cache": {"keep_per_environment": 1}}


def settings(cli: Cli, values: object) -> None:
    cli.home.mkdir(exist_ok=True)
    (cli.home / "settings.json").write_text(json.dumps(values))


def rows(cli: Cli) -> dict[str, dict[str, object]]:
    return {one["tag"]: one for one in cli("images", "--json").json}


def at(days: float, cli: Cli, code: str) -> str:
    """Run Python with the services of these files and a clock that many days ahead; what it printed."""
    program = (
        "import dataclasses, time\nfrom agents_runner.app import build_services\n"
        "services = build_services()\n"
        f"clock = lambda: time.time() + {days * DAY_S}\n"
        "builder = dataclasses.replace(services.images.builder, clock=clock)\n"
        "images = dataclasses.replace(services.images, builder=builder, clock=clock)\n"
        f"environment = lambda name: services.environments.get(name)\n{code}\nservices.system.close()\n"
    )
    env = os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_hits_and_saved_seconds_are_counted(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(
        cached_preflight_script="# step: a\nsleep 1; echo a >/a\n# step: b\nsleep 1; echo b >/b\n"
    )
    tag = cli("run", name, "true", "--json").result["image"]
    assert (rows(cli)[tag]["hits"], rows(cli)[tag]["seconds_saved"]) == (0, 0)
    for _ in range(2):
        cli("run", name, "true")
    shown = rows(cli)[tag]
    assert shown["hits"] == 2
    assert 4 < float(str(shown["seconds_saved"])) < 60
    assert int(str(shown["size"])) == int(str(shown["own_size"])) + int(str(shown["shared_size"]))


def test_older_than_counts_from_the_last_use_and_the_dry_run_agrees(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(cached_preflight_script="head -c 2000000 /dev/zero >/b\n")
    tag = cli("build", name, "--json").json["image"]
    assert tag not in cli("clean", "--older-than", "1", "--dry-run", "--json").json["removed"]
    kept = cli("clean", "--older-than", "0.5", "--json").json["kept"]
    assert {"tag": tag, "why": "used or made within 0.5 days"} in kept
    preview = cli("clean", "--older-than", "0", "--dry-run", "--json").json
    done = cli("clean", "--older-than", "0", "--json").json
    assert (done["removed"], done["freed_bytes"]) == (preview["removed"], preview["freed_bytes"])
    assert tag in done["removed"]
    assert done["freed_bytes"] >= 2_000_000
    assert engine.find_image(tag) is None
    for wrong in ("-1", "soon", "nan"):
        assert cli("clean", "--older-than", wrong, check=False).code == 2


def test_superseded_images_are_collected_after_an_hour_with_their_steps(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    settings(cli, KEEP_NOTHING)
    first = "# step: shared\necho s >/s\n# step: one\necho 1 >/n\n"
    name = make_environment(cached_preflight_script=first)
    old = cli("build", name, "--json").json["layers"]
    make_environment(name, edit=True, cached_preflight_script=first.replace("echo 1", "echo 2"))
    new = cli("build", name, "--json").json["layers"]
    assert old[0]["tag"] == new[0]["tag"]
    assert engine.find_image(old[1]["tag"]) is not None, "it was made just now"
    removed = json.loads(at(0.1, cli, "import json; print(json.dumps(images.collect().removed))"))
    assert removed == [old[1]["tag"]]
    cli("env", "delete", name)
    removed = json.loads(at(0.1, cli, "import json; print(json.dumps(images.collect().removed))"))
    assert removed == [new[1]["tag"], new[0]["tag"]]


def test_another_installations_images_are_never_collected(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, tmp_path: Path
) -> None:
    name = make_environment(cached_preflight_script="echo theirs >/t\n")
    tag = cli("build", name, "--json").json["image"]
    other = Cli(home=tmp_path / "other")
    settings(other, {"cache": {"keep_per_environment": 1, "max_age_days": 1, "max_size_gb": 0.000001}})
    assert at(500, other, "print(images.collect().removed)") == "()"
    assert engine.find_image(tag) is not None


def test_collecting_can_be_switched_off(make_environment: MakeEnvironment, cli: Cli) -> None:
    settings(cli, {"cache": {"collect": False}})
    name = make_environment(cached_preflight_script="echo off >/t\n")
    cli("build", name)
    cli("env", "delete", name)
    assert at(500, cli, "print(images.collect().removed)") == "()"


def test_s10_five_hundred_images_and_every_kind_of_look_alike(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, mini_base: str
) -> None:
    """Cleaning and collecting remove ours by exact tag; the set of everything else is the same before and after."""
    name = make_environment(cached_preflight_script="# step: a\necho a >/a\n# step: b\necho b >/b\n")
    layers = cli("build", name, "--json").json["layers"]
    top, below = layers[1]["tag"], layers[0]["tag"]
    held = make_environment("held", cached_preflight_script="echo held >/h\n")
    held_tag = cli("build", held, "--json").json["image"]
    foreign = ["agent-runner-env:mine", "agent-runner-desktop:mine", "agent-runner-envoy:1", "someone/on-ours:1"]
    foreign += ["someone/second-name:1", "agent-runner-env:copied-label", "someone/on-a-step:1"]
    boxes: list[str] = []
    try:
        for ref in foreign[:3]:
            docker("tag", mini_base, ref)
        docker("tag", held_tag, foreign[4])
        for ref, source in ((foreign[3], top), (foreign[6], below)):
            boxes.append(docker("create", source, "true").strip())
            docker("commit", boxes[-1], ref)
        # All our labels, but another image's reference.
        box = engine.create(ContainerSpec(name="agents-runner-test-copied", image=mini_base, command=("true",)))
        boxes.append(box)
        copied = {labels.IMAGE_MANAGED: "true", labels.IMAGE_KIND: "env", labels.IMAGE_REF: "agent-runner-env:other"}
        engine.tag(engine.commit(box, CommitSpec(labels=copied)), foreign[5])
        dangling = engine.commit(box, CommitSpec(labels={"agents-runner.test": "dangling"}))
        holder = docker("create", held_tag, "true").strip()
        for one in boxes:
            docker("rm", one)
        boxes = [holder]
        with many_images(engine, ours=300, foreign=200):
            others = {one: engine.find_image(one) for one in (*foreign, dangling, f"{FOREIGN}:0007", mini_base)}
            assert all(others.values())
            began = time.monotonic()
            listed = rows(cli)
            took = time.monotonic() - began
            assert {our_tag(0), our_tag(299), top, below, held_tag} <= set(listed)
            assert not {*foreign, f"{FOREIGN}:0007"} & set(listed)
            assert took < 10, "the start of the program included"
            preview = cli("clean", "--dry-run", "--json").json
            done = cli("clean", "--json").json
            assert (done["removed"], done["freed_bytes"]) == (preview["removed"], preview["freed_bytes"])
            assert {our_tag(0), our_tag(299), top, below} <= set(done["removed"])
            assert any(one["tag"] == held_tag and "used by container" in one["why"] for one in done["kept"])
            assert {one: engine.find_image(one) is not None for one in others} == dict.fromkeys(others, True)
            again = cli("clean", "--json").json
            assert not [tag for tag in again["removed"] if tag in done["removed"]], "a second time finds nothing new"
        assert docker("run", "--rm", foreign[3], "cat", "/a", "/b").split() == ["a", "b"]
    finally:
        for one in boxes:
            subprocess.run(["docker", "rm", "-f", one], check=False, capture_output=True)
        for one in (*foreign, dangling):
            subprocess.run(["docker", "rmi", one], check=False, capture_output=True)
        cli("clean")


def test_bytes_below_somebodys_image_are_not_said_to_be_freed(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(cached_preflight_script="head -c 4000000 /dev/zero >/b\n")
    tag = cli("build", name, "--json").json["image"]
    box = docker("create", tag, "true").strip()
    docker("commit", box, "someone/on-ours:2")
    docker("rm", box)
    try:
        done = cli("clean", "--json").json
        assert tag in done["removed"]
        assert done["freed_bytes"] < 4_000_000
    finally:
        docker("rmi", "someone/on-ours:2")


def test_l6_five_hundred_images_are_listed_quickly_and_do_not_slow_a_decision(
    cli: Cli, engine: DockerEngine, make_environment: MakeEnvironment
) -> None:
    """The figure of a decision is in docs/performance.md; here it must not grow with the number of images."""
    name = make_environment(cached_preflight_script="true\n")
    cli("build", name)
    deciding = (
        "import time, statistics\nenv = environment('test')\nassert images.plan(env).hit\ntimes = []\n"
        "for _ in range(40):\n    began = time.perf_counter(); images.plan(env)\n"
        "    times.append(time.perf_counter() - began)\n"
        "print(statistics.median(times))\n"
    )
    listing = (
        "import time, threading\nfrom agents_runner.engine.docker_engine import DockerEngine\n"
        "calls = []\nreal = DockerEngine.list_images\n"
        "def listed(self, labels=None):\n"
        "    calls.append(labels)\n    found = real(self, labels)\n"
        f"    if len(calls) == 1: self.remove_tag('{our_tag(5)}')\n    return found\n"
        "DockerEngine.list_images = listed\nbegan = time.monotonic()\n"
        "found = images.list()\ntook = time.monotonic() - began\n"
        "print(len([one for one in found if 'many-' in one.tag]), len(calls), took)\n"
    )
    few = float(at(0, cli, deciding))
    with many_images(engine, ours=300, foreign=200):
        many = float(at(0, cli, deciding))
        count, calls, took = at(0, cli, listing).split()
    assert (int(count), int(calls)) == (300, 1), "one that vanishes while it is listed is no error"
    assert float(took) <= 2
    assert many < max(5 * few, 0.05)


# -- refresh -------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    yield found
    found.close()


def test_a_newer_base_is_built_on_while_the_old_layers_serve(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, registry: Registry, mini_base: str
) -> None:
    ref = registry.publish("base", "1", mini_base, {"version": b"1\n"})
    script = "cat /version >/built-on\n[ $(cat /version) = 1 ] || sleep 5\n"
    made: list[str] = []
    try:
        name = make_environment(base_image=ref, refresh_after_days="7", cached_preflight_script=script)
        old = cli("build", name, "--json").json["image"]
        old_base = engine.find_image(ref)
        assert old_base is not None
        made.append(old_base.id)
        fresh = cli("build", name, "--refresh", "--json").json
        assert (fresh["layers"], fresh["image"]) == ([], old)
        registry.publish("base", "1", mini_base, {"version": b"2\n"})
        assert cli("run", name, "cat /built-on", "--json").log[-1] == "1", "nothing is pulled by a run"
        refreshing = threading.Thread(target=cli, args=("build", name, "--refresh"))
        refreshing.start()
        seen = []
        while refreshing.is_alive():
            done = cli("run", name, "cat /built-on", "--json")
            seen.append((done.log[-1], done.phase("build.env")["cache"]))
        refreshing.join()
        assert ("1", "hit") in seen
        assert all(cache == "hit" for _, cache in seen), seen
        after = cli("run", name, "cat /built-on", "--json")
        assert (after.log[-1], after.phase("build.env")["cache"]) == ("2", "hit")
        new_base = engine.find_image(ref)
        assert new_base is not None
        assert new_base.id != old_base.id
        made.append(new_base.id)
        assert cli("plan", name, "--json").json["image"] != old
    finally:
        cli("clean")
        subprocess.run(["docker", "rmi", ref, *made], check=False, capture_output=True)


def test_a_registry_that_is_away_changes_nothing(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, registry: Registry, mini_base: str
) -> None:
    ref = registry.publish("gone", "1", mini_base, {})
    try:
        name = make_environment(base_image=ref, refresh_after_days="7", cached_preflight_script="true\n")
        tag = cli("build", name, "--json").json["image"]
        registry.close()
        done = cli("build", name, "--refresh")
        assert "could not be found out" in done.out
        assert "are fresh" in done.out
        assert engine.find_image(tag) is not None
    finally:
        cli("clean")
        subprocess.run(["docker", "rmi", ref], check=False, capture_output=True)


def test_old_layers_are_built_anew_and_serve_until_then(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(
        refresh_after_days="7",
        cached_preflight_script="# step: a\necho a >/a\n# step: b\nhead -c 9 /dev/urandom >/b\n",
    )
    layers = cli("build", name, "--json").json["layers"]
    before = [engine.find_image(one["tag"]) for one in layers]
    look = "print([type(event).__name__ for event in images.refresh(environment('test'))].count('LayerDone'))"
    assert at(6.9, cli, look) == "0"
    assert at(7.1, cli, look) == "2"
    after = [engine.find_image(one["tag"]) for one in layers]
    assert all(old and new and old.id != new.id for old, new in zip(before, after, strict=True))
    # What was replaced is gone: nothing stands on it.
    assert all(old and engine.find_image(old.id) is None for old in before)


def test_a_refresh_that_fails_leaves_the_old_image_in_place(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, tmp_path: Path
) -> None:
    name = make_environment(refresh_after_days="7", cached_preflight_script="[ ! -e /proc/sys/kernel/osrelease ]\n")
    made = make_environment("good", cached_preflight_script="true\n")
    tag = cli("build", made, "--json").json["image"]
    failing = cli("build", name, "--refresh", check=False)
    assert failing.code == 0, "without an image there is nothing to refresh"
    assert "are fresh" in failing.out
    assert engine.find_image(tag) is not None


def test_saving_builds_ahead_where_the_settings_ask_for_it(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    settings(cli, {"cache": {"prebuild_on_save": True}})
    name = make_environment(cached_preflight_script="echo ahead >/a\n")
    tag = cli("plan", name, "--json").json["image"]
    deadline = time.monotonic() + 60
    found = threading.Event()
    while engine.find_image(tag) is None and time.monotonic() < deadline:
        found.wait(0.1)
    assert cli("run", name, "cat /a", "--json").phase("build.env")["cache"] == "hit"
