"""The engine's border: what is sent, what comes back, and which error it becomes."""

from __future__ import annotations

import struct
from pathlib import Path

import docker.errors
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core import errors
from agents_runner.core.container import CommitSpec, ContainerSpec
from agents_runner.core.environment import Resources
from agents_runner.core.mounts import Mount
from agents_runner.core.ports import Port
from agents_runner.engine import facts
from agents_runner.engine.docker_engine import DockerEngine, connect
from agents_runner.engine.endpoint import resolve
from agents_runner.engine.mapping import mapped
from agents_runner.engine.payload import commit_config, container_config
from agents_runner.engine.pulling import pull_progress
from agents_runner.engine.streams import FrameParser
from agents_runner.engine.ticks import with_ticks


def test_a_container_from_a_value() -> None:
    spec = ContainerSpec(
        name="n",
        image="i",
        command=("a", "b"),
        mounts=(Mount(source="/a:b", target="/c", read_only=True),),
        volumes={"v": "/d"},
        ports=(Port(container=80, host=8080), Port(container=81, host=0, protocol="udp")),
        resources=Resources(cpus=1.5, memory_mb=64, shm_mb=1, pids=100),
        environment={"A": "1"},
        init=True,
    )
    made = container_config(spec)
    host = made["HostConfig"]
    assert isinstance(host, dict)
    assert made["Cmd"] == ["a", "b"]
    assert "Entrypoint" not in made
    assert "User" not in made
    assert "WorkingDir" not in made
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/a:b", "Target": "/c", "ReadOnly": True},
        {"Type": "volume", "Source": "v", "Target": "/d"},
    ]
    assert host["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "81/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
    }
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (1_500_000_000, 64 << 20, 100)
    assert host["LogConfig"]["Config"]["max-file"] == "3"
    assert "Privileged" not in host


def test_a_commit_says_only_what_it_means() -> None:
    assert commit_config(CommitSpec(labels={"a": "b"})) == {"Labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (404, "No such image: x:1", errors.ImageMissing),
        (404, "No such container: x", errors.ContainerMissing),
        (409, 'Conflict. The container name "/x" is already in use by container "y"', errors.NameInUse),
        (409, "conflict: unable to remove repository reference", errors.EngineRefused),
        (500, "write /x: no space left on device", errors.NoSpace),
        (500, "Bind for 127.0.0.1:80 failed: port is already allocated", errors.PortInUse),
        (400, "invalid mount config for type bind: bind source path does not exist: /x", errors.MountRefused),
        (400, 'exec: "/bin/sh": stat /bin/sh: no such file or directory', errors.EngineRefused),
        (500, "anything else", errors.EngineRefused),
    ],
)
def test_an_engines_no_becomes_one_of_ours(status: int, text: str, kind: type[errors.EngineError]) -> None:
    response = requests.Response()
    response.status_code = status
    with pytest.raises(kind) as caught, mapped("try"):
        raise docker.errors.APIError("x", response=response, explanation=text)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize(
    ("error", "kind", "part"),
    [
        (docker.errors.DockerException("PermissionError(13, 'Permission denied')"), errors.EngineDenied, "usermod"),
        (
            docker.errors.DockerException("FileNotFoundError(2, 'No such file')"),
            errors.EngineUnreachable,
            "Start Docker",
        ),
        (requests.ConnectionError("refused"), errors.EngineUnreachable, "Start Docker"),
        (requests.ReadTimeout("slow"), errors.EngineTimeout, "Try again"),
        (docker.errors.DockerException("API version 1.0 is too old"), errors.EngineTooOld, "20.10"),
        (ConnectionResetError("reset"), errors.EngineUnreachable, "Start Docker"),
        (requests.ConnectionError("SSL: certificate verify failed"), errors.EngineUnreachable, "DOCKER_CERT_PATH"),
    ],
)
def test_no_answer_names_cause_and_cure(error: Exception, kind: type[errors.EngineError], part: str) -> None:
    with pytest.raises(kind) as caught, mapped("try", "unix:///x.sock"):
        raise error
    assert part in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        '{"auths": {"registry": "text"}}',
        '{"auths": {"registry": {"auth": "!!"}}}',
        '{"auths": {"registry": {"auth": "eA=="}}}',
        '{"proxies": []}',
        '{"HttpHeaders": 3}',
        '{"HttpHeaders": {"X": 3}}',
    ],
)
def test_dockers_own_configuration_in_disorder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """It is no sign of an engine that is away, and no traceback."""
    path = tmp_path / "config.json"
    path.write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(errors.EngineUnreachable) as caught:
        connect(f"unix://{tmp_path}/no-engine.sock")
    assert caught.value.message.startswith(f"Docker's configuration cannot be read ({path}): ")
    assert "Mend this file" in caught.value.hint


@pytest.mark.parametrize("text", ["{bad", "", "{}", '{"auths": []}', '{"HttpHeaders": {"X": "y"}}'])
def test_what_docker_itself_reads_past_is_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    DockerEngine(resolve(f"unix://{tmp_path}/no-engine.sock"))._api("1.41").close()


@pytest.mark.parametrize("address", ["tcp://host:port", "tcp://host:99999999", "tcp://[::1"])
def test_an_address_in_disorder_is_not_laid_to_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(errors.EngineUnreachable, match="No Docker engine answers"):
        connect(address)


def test_the_endpoint_is_setting_then_variable_then_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    env = {"DOCKER_HOST": "tcp://h:1"}
    assert resolve("unix:///a.sock", env).url == "unix:///a.sock"
    assert resolve("", env).url == "tcp://h:1"
    assert not resolve("", env).local
    assert resolve("unix:///a.sock", {}).local
    assert resolve("ssh://u@h", {}).ssh
    for setting, environ in (
        ("nonsense", {}),
        ("", {"DOCKER_HOST": "x"}),
        ("", {"DOCKER_CONTEXT": "no-such-context"}),
    ):
        with pytest.raises(errors.EngineUnreachable) as caught:
            resolve(setting, environ)
        assert caught.value.hint
    with pytest.raises(errors.EngineUnreachable, match="certificates"):
        resolve("tcp://h:1", {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)})


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=6),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_frames_in_any_chunking(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(struct.pack(">BxxxL", kind, len(payload)) + payload for kind, payload in frames)
    parser, found, start = FrameParser(), {"stdout": b"", "stderr": b""}, 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        for chunk in parser.feed(data[start:cut]):
            found[chunk.stream] += chunk.data
        start = cut
    for kind, name in ((1, "stdout"), (2, "stderr")):
        assert found[name] == b"".join(payload for one, payload in frames if one == kind)


def test_a_stream_with_ticks_hands_over_items_errors_and_the_end() -> None:
    assert [item for item in with_ticks([1, 2, 3], lambda: None) if item is not None] == [1, 2, 3]

    def failing() -> object:
        yield 1
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        list(with_ticks(failing(), lambda: None))  # type: ignore[arg-type]


def test_a_stream_with_ticks_that_is_left_is_closed() -> None:
    closed: list[bool] = []
    items = with_ticks(iter(range(10**9)), lambda: closed.append(True))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_pull_progress_adds_layers_up_and_raises_what_it_is_told() -> None:
    lines = [
        {"status": "Pulling", "id": "a", "progressDetail": {"current": 1, "total": 10}},
        None,
        {"status": "Pulling", "id": "b", "progressDetail": {"current": 5, "total": 10}},
    ]
    found = list(pull_progress(lines, "x"))
    assert (found[-1].done, found[-1].total) == (6, 20)
    assert found[1].text == ""
    for text, kind in (
        ("manifest unknown", errors.ImageMissing),
        ("no space left", errors.NoSpace),
        ("eof", errors.EngineRefused),
    ):
        with pytest.raises(kind):
            list(pull_progress([{"error": text}], "x"))


def test_what_an_engine_says_with_fields_missing() -> None:
    state = facts.container_state({"Id": "1", "State": {"Status": "exited", "ExitCode": 3, "OOMKilled": True}})
    assert (state.ended, state.exit_code, state.oom_killed) == (True, 3, True)
    assert facts.container_state({"Id": "1"}).exit_code is None
    assert facts.image_info({"Id": "1"}).volumes == ()
    assert facts.seconds("0001-01-01T00:00:00Z") == 0
    assert facts.seconds("2026-01-02T03:04:05.123456789Z") == pytest.approx(1767323045.123456)
    assert facts.seconds("nonsense") == 0


def test_variables_are_withheld_by_name_and_an_image_gets_them_again() -> None:
    spec = ContainerSpec(name="n", image="i", environment={"A": "1"}, withheld_variables=("LD_PRELOAD",))
    assert container_config(spec)["Env"] == ["A=1", "LD_PRELOAD"]
    made = commit_config(CommitSpec(labels={}, environment=("LD_PRELOAD=/a.so",)))
    assert made["Env"] == ["LD_PRELOAD=/a.so"]


def test_programs_can_be_run_from_a_scratch_folder() -> None:
    host = container_config(ContainerSpec(name="n", image="i", scratch_folders={"/tmp": 2048}))["HostConfig"]
    assert isinstance(host, dict)
    assert host["Tmpfs"] == {"/tmp": "exec,nosuid,nodev,mode=1777,size=2048m"}
