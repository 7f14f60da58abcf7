"""What a built layer is: the parent's configuration, the script's changes, and nothing of ours but the exports."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from agents_runner.core import container as labels
from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker, docker_export

SCRIPT = (
    "#!/bin/bash\n# canary-in-the-script\nmkdir -p /opt/x\necho data >/opt/x/file\nexport GREETING='hello there'\n"
)


@pytest.fixture(
    params=[
        [],
        ['CMD ["/bin/bash", "-l"]', "USER 1000:1000", "WORKDIR /srv", "ENV A=1"],
        ['ENTRYPOINT ["/bin/bash"]'],
        ['ENTRYPOINT ["/bin/bash", "-c"]', 'CMD ["echo hi"]', "USER nobody", 'ENV A="b c"'],
    ],
    ids=["bare", "cmd-user-workdir", "entrypoint", "entrypoint-cmd"],
)
def parent(request: pytest.FixtureRequest, mini_base: str) -> Iterator[str]:
    """Images of every configuration that a parent may have."""
    tar = docker_export(mini_base)
    changes = [word for change in request.param for word in ("--change", change)]
    ref = f"agents-runner-test-parent:{abs(hash(str(request.param)))}"
    docker("import", *changes, "-", ref, data=tar)
    yield ref
    docker("rmi", ref)


def config(image: str) -> dict[str, object]:
    found = json.loads(docker("image", "inspect", image))[0]["Config"]
    keys = ("Cmd", "Entrypoint", "User", "WorkingDir", "Env", "Volumes", "ExposedPorts")
    return {key: found.get(key) or None for key in keys}


def test_the_parents_configuration_is_unchanged(make_environment: MakeEnvironment, cli: Cli, parent: str) -> None:
    name = make_environment(base_image=parent, cached_preflight_script=SCRIPT)
    before = config(parent)
    built = cli("build", name, "--json").json["image"]
    after = config(built)
    if before["Cmd"] is None and before["Entrypoint"] is None:
        assert after.pop("Cmd") == ["/bin/sh"]  # harmless: a CMD that the parent lacks cannot be taken away
        before.pop("Cmd")
    assert after == before
    cli("clean")


def layer_files(image: str) -> dict[str, bytes]:
    """Every file of the image's top layer, by path."""
    whole = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        layer = tar.extractfile(manifest[0]["Layers"][-1])
        assert layer is not None
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as inner:
            files = {}
            for entry in inner:
                found = inner.extractfile(entry) if entry.isreg() else None
                files[entry.name] = found.read() if found else b""
            return files


def test_no_byte_of_the_script_or_the_launcher_is_left_in_a_layer(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script=SCRIPT, env_vars__PLAIN="canary-in-a-variable")
    built = cli("build", name, "--json").json["image"]
    files = layer_files(built)
    regular = {path for path, data in files.items() if data}
    assert regular == {"opt/x/file", "etc/agents-runner/exports.sh"}
    assert files["etc/agents-runner/exports.sh"] == b"export GREETING='hello there'\n"
    everything = b"".join(files.values()) + docker("history", "--no-trunc", built).encode()
    everything += docker("image", "inspect", built).encode()
    assert b"canary" not in everything


def test_labels_name_the_layer_and_claim_no_container(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(cached_preflight_script="# step: tools\ntrue\n")
    layer = cli("plan", name, "--json").json["layers"][0]
    cli("build", name)
    image = engine.find_image(layer["tag"])
    assert image is not None
    assert image.labels[labels.IMAGE_MANAGED] == "true"
    assert image.labels[labels.IMAGE_KIND] == "env"
    assert image.labels[labels.IMAGE_KEY] == layer["key"]
    assert image.labels[labels.IMAGE_REF] == layer["tag"]
    assert image.labels[labels.IMAGE_STEP] == "tools"
    made = docker("create", layer["tag"]).strip()
    try:
        for kind in ("build", "task"):
            assert made not in [one.id for one in engine.list_containers({labels.CONTAINER_KIND: kind})]
    finally:
        docker("rm", made)


def test_a_secret_is_not_carried_over_and_said_so(make_environment: MakeEnvironment, cli: Cli) -> None:
    script = (
        "export API_TOKEN=not-for-the-image\nexport OTHER=ghp_abcdefghijklmnopqrstuvwxyz0123456789\nexport FINE=yes\n"
    )
    name = make_environment(cached_preflight_script=script)
    done = cli("run", name, 'echo "${FINE-} ${API_TOKEN-} ${OTHER-}"', "--json")
    assert done.log[-1].strip() == "yes"
    assert any("API_TOKEN, OTHER" in one.get("message", "") for one in done.events)


def test_what_is_written_into_a_volume_of_the_base_is_not_baked(
    make_environment: MakeEnvironment, cli: Cli, mini_base: str
) -> None:
    ref = "agents-runner-test-volume:1"
    docker("import", "--change", "VOLUME /data", "-", ref, data=docker_export(mini_base))
    try:
        writes = make_environment(
            "writes", base_image=ref, cached_preflight_script="sleep 0.1; echo kept >/data/file\n"
        )
        done = cli("run", writes, "cat /data/file", "--json")
        assert done.phase("build.env")["cache"] == "fallback"
        assert done.log[-1] == "kept"
        quiet = make_environment("quiet", base_image=ref, cached_preflight_script="echo kept >/file\n")
        done = cli("run", quiet, "cat /file", "--json")
        assert done.phase("build.env")["cache"] == "built"
    finally:
        cli("clean")
        docker("rmi", ref)


def test_functions_and_unset_variables_are_carried_as_well(make_environment: MakeEnvironment, cli: Cli) -> None:
    cached = 'greet() { echo "hello $1"; }\nexport -f greet\nunset DROPPED\n'
    name = make_environment(
        cached_preflight_script=cached,
        run_preflight_script='greet run\necho "dropped: ${DROPPED-gone}"\n',
        env_vars__DROPPED="here",
    )
    for cache in ("built", "hit"):
        done = cli("run", name, "true", "--json")
        assert done.phase("build.env")["cache"] == cache
        assert done.log == ["hello run", "dropped: gone"]
    make_environment(name, edit=True, cache_container_build="false")
    assert cli("run", name, "true", "--json").log == ["hello run", "dropped: gone"]


def test_one_build_for_many_who_want_it(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script="echo building; sleep 1; head -c 8 /dev/urandom | base64 >/id\n")
    tasks = [cli("run", name, "cat /id", "--detach", "--json").json["task"] for _ in range(4)]
    for task in tasks:
        cli("tasks", "logs", task, "--follow")
    shown = [cli("tasks", "show", task, "--json").json for task in tasks]
    assert [one["state"] for one in shown] == ["succeeded"] * 4
    ids = {cli("tasks", "logs", task).out.splitlines()[-1] for task in tasks}
    assert len(ids) == 1


def test_a_sparse_file_does_not_keep_the_engine_at_a_commit(make_environment: MakeEnvironment, cli: Cli) -> None:
    """100 GB of nothing: the engine would write them all, and nobody could end it. The task does without."""
    name = make_environment(cached_preflight_script="echo made > /opt/made; truncate -s 100G /opt/sparse\n")
    done = cli("run", name, "cat /opt/made; stat -c %s /opt/sparse", "--json")
    assert [one["line"] for one in done.events if one["event"] == "log" and one["stream"] == "stdout"] == [
        "made",
        str(100 * 2**30),
    ]
    assert done.phase("build.env")["cache"] == "fallback"
    (told,) = [one for one in done.events if one["event"] == "notice"]
    assert "What the build left has 107.4 GB; a layer may have 50 GB at most." in told["message"]
    assert "max_layer_gb" in told["hint"]
    refused = cli("build", name, "--json", check=False)
    assert refused.json["error"]["code"] == "build-failed"


def test_what_is_no_larger_than_the_setting_is_kept(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script="truncate -s 30000000 /opt/sparse\n")
    cli("settings", "--set", "max_layer_gb=0.02")
    assert cli("build", name, "--json", check=False).json["error"]["code"] == "build-failed"
    cli("settings", "--set", "max_layer_gb=0.04")
    assert cli("build", name, "--json").json["layers"][0]["result"] == "built"
    cli("settings", "--set", "max_layer_gb=none")
    assert cli("build", name, "--force", "--json").json["layers"][0]["result"] == "built"
