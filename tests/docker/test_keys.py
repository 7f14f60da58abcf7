"""What makes a layer stale, and what does not."""

from __future__ import annotations

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli

STEPS = "# step: one\necho 1 >/one\n# step: two\necho 2 >/two\n# step: three\necho 3 >/three\n"


def states(cli: Cli, name: str) -> list[str]:
    return [layer["state"] for layer in cli("plan", name, "--json").json["layers"]]


def test_editing_the_run_preflight_keeps_the_hit(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script=STEPS, run_preflight_script="true\n")
    assert states(cli, name) == ["miss"] * 3
    built = cli("build", name, "--json").json
    assert [layer["result"] for layer in built["layers"]] == ["built"] * 3
    plan = cli("plan", name, "--json").json
    assert plan["image"] == built["image"]
    assert plan["at_start"] == ["run"]
    make_environment(name, edit=True, run_preflight_script="echo other\n")
    assert states(cli, name) == ["hit"] * 3


def test_editing_a_step_builds_it_and_those_above_only(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script=STEPS)
    cli("build", name)
    make_environment(name, edit=True, cached_preflight_script=STEPS.replace("echo 3", "echo three"))
    results = [layer["result"] for layer in cli("build", name, "--json").json["layers"]]
    assert results == ["hit", "hit", "built"]
    make_environment(name, edit=True, cached_preflight_script=STEPS.replace("echo 1", "echo one"))
    results = [layer["result"] for layer in cli("build", name, "--json").json["layers"]]
    assert results == ["built"] * 3


def test_the_environments_variables_are_part_of_the_key_its_name_is_not(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script=STEPS, env_vars__A="1")
    cli("build", name)
    make_environment(name, edit=True, name="renamed")
    assert states(cli, "renamed") == ["hit"] * 3
    make_environment("renamed", edit=True, env_vars__A="2")
    assert states(cli, "renamed") == ["miss"] * 3


def test_the_same_tag_with_another_image_behind_it_is_a_miss(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, mini_base: str
) -> None:
    name = make_environment(cached_preflight_script="echo 1 >/one\n")
    tag = cli("build", name, "--json").json["image"]
    base = engine.find_image(mini_base)
    assert base is not None
    engine.remove_tag(tag)
    engine.tag(base.id, tag)
    try:
        assert states(cli, name) == ["miss"]
        done = cli("run", name, "cat /one", "--json")
        assert done.phase("build.env")["cache"] == "built"
        assert done.log[-1] == "1"
    finally:
        cli("clean")


def test_another_image_behind_the_base_tag_is_a_miss(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, mini_base: str
) -> None:
    base = engine.find_image(mini_base)
    assert base is not None
    moving = "agents-runner-test-moving:1"
    engine.tag(base.id, moving)
    try:
        name = make_environment(base_image=moving, cached_preflight_script="echo 1 >/one\n")
        built = cli("build", name, "--json").json["image"]
        assert states(cli, name) == ["hit"]
        made = engine.find_image(built)
        assert made is not None
        engine.tag(made.id, moving)
        assert states(cli, name) == ["miss"]
    finally:
        engine.remove_tag(moving)


def test_build_force_makes_the_layers_anew(make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine) -> None:
    name = make_environment(cached_preflight_script="head -c 16 /dev/urandom >/random\n")
    tag = cli("build", name, "--json").json["image"]
    first = engine.find_image(tag)
    again = cli("build", name, "--force", "--json").json
    second = engine.find_image(tag)
    assert again["layers"][0]["result"] == "built"
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert engine.find_image(first.id) is None


def test_two_environments_with_the_same_inputs_share_the_image(make_environment: MakeEnvironment, cli: Cli) -> None:
    first = make_environment("first", cached_preflight_script=STEPS)
    second = make_environment("second", cached_preflight_script=STEPS)
    cli("build", first)
    assert states(cli, second) == ["hit"] * 3
    tags = {layer["tag"] for layer in cli("plan", second, "--json").json["layers"]}
    shared = [image for image in cli("images", "--json").json if image["tag"] in tags]
    assert len(shared) == 3
    assert all({"first", "second"} <= set(image["environments"]) for image in shared)


def test_plan_touches_nothing(make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine) -> None:
    name = make_environment(cached_preflight_script="echo never >/never\n")
    before = {image.id for image in engine.list_images()}, {one.id for one in engine.list_containers({})}
    cli("plan", name)
    assert ({image.id for image in engine.list_images()}, {one.id for one in engine.list_containers({})}) == before
