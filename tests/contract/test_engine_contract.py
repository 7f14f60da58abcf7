"""The port's promises, kept by the fake engine and by the real one alike."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agents_runner.core.container import NETWORK_KIND, CommitSpec, ContainerSpec
from agents_runner.core.errors import (
    ContainerMissing,
    EngineError,
    EngineRefused,
    EngineTimeout,
    FileRefused,
    ImageMissing,
    NameInUse,
)
from agents_runner.engine.fake import FakeEngine
from agents_runner.engine.port import Engine, LogStream

NAME = "agents-runner-contract-test"
LABELS = {"io.agents-runner.container.name": NAME, "agents-runner.test": "contract"}


@pytest.fixture(params=["fake", "real"])
def port(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, str]]:
    if request.param == "fake":
        fake = FakeEngine()
        fake.add_image("contract:1")
        yield fake, "contract:1"
        fake.close()
        return
    engine: Engine = request.getfixturevalue("engine")
    base: str = request.getfixturevalue("mini_base")
    yield engine, base
    engine.remove(NAME)


def shell(image: str, script: str) -> ContainerSpec:
    return ContainerSpec(name=NAME, image=image, command=("/bin/sh", "-c", script), labels=LABELS)


def read(stream: LogStream) -> dict[str, str]:
    found = {"stdout": b"", "stderr": b""}
    for chunk in stream:
        found[chunk.stream] += chunk.data
    return {name: data.decode() for name, data in found.items()}


def test_attached_before_the_start_nothing_is_missed(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "echo out; echo err >&2; for n in 1 2 3; do echo $n; done; exit 3"))
    stream = engine.attach(made)
    engine.start(made)
    assert read(stream) == {"stdout": "out\n1\n2\n3\n", "stderr": "err\n"}
    state = engine.wait(made, 10)
    assert (state.exit_code, state.ended, state.name) == (3, True, NAME)


def test_the_log_of_an_ended_container_ends(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "echo one; echo two"))
    engine.start(made)
    engine.wait(made, 10)
    assert read(engine.follow(made))["stdout"] == "one\ntwo\n"
    assert read(engine.follow(made, {"stdout": 5}))["stdout"] == "wo\n"
    assert read(engine.follow(made, {"stdout": 100}))["stdout"] == ""


def test_a_stream_can_be_closed_from_elsewhere(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "echo up; sleep 60"))
    stream = engine.attach(made)
    engine.start(made)
    ended = threading.Event()

    def consume() -> None:
        for chunk in stream:
            if chunk.data:
                stream.close()
        ended.set()

    threading.Thread(target=consume, daemon=True).start()
    assert ended.wait(10)
    state = engine.inspect(made)
    assert state is not None
    assert state.running


def test_stopping_and_removing_are_quiet_when_there_is_nothing_to_do(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "sleep 60"))
    engine.start(made)
    with pytest.raises(EngineTimeout):
        engine.wait(made, 0.1)
    engine.stop(made, 0.2)
    assert engine.wait(made, 10).exit_code != 0
    engine.stop(made, 0.2)
    engine.stop(made, 0)
    engine.remove(made)
    engine.remove(made)
    engine.stop(made)
    assert engine.inspect(made) is None
    with pytest.raises(ContainerMissing):
        engine.wait(made, 1)


def test_a_name_is_a_lock(port: tuple[Engine, str]) -> None:
    engine, image = port
    engine.create(shell(image, "true"))
    with pytest.raises(NameInUse):
        engine.create(shell(image, "true"))
    assert [state.name for state in engine.list_containers(LABELS)] == [NAME]
    assert engine.list_containers(LABELS, running_only=True) == []


def test_what_is_not_there(port: tuple[Engine, str]) -> None:
    engine, _ = port
    assert engine.find_image("agents-runner-contract-test:none") is None
    assert engine.inspect("agents-runner-no-such-container") is None
    with pytest.raises(ImageMissing):
        engine.create(shell("agents-runner-contract-test:none", "true"))
    with pytest.raises(ImageMissing):
        engine.remove_tag("agents-runner-contract-test:none")
    with pytest.raises(ContainerMissing):
        engine.start("agents-runner-no-such-container")


def test_files_commit_and_tags(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "true"))
    engine.start(made)
    engine.wait(made, 10)
    engine.put_file(made, "/etc/contract/file", b"\x00data")
    assert engine.get_file(made, "/etc/contract/file") == b"\x00data"
    assert engine.get_file(made, "/etc/contract/none") is None
    labels = {"agents-runner.test": "contract-image"}
    image_id = engine.commit(made, CommitSpec(labels=labels, command=("/bin/true",), user="nobody"))
    try:
        engine.tag(image_id, "agents-runner-contract-test:1")
        found = engine.find_image("agents-runner-contract-test:1")
        assert found is not None
        assert (found.id, found.command, found.user) == (image_id, ("/bin/true",), "nobody")
        assert found.labels["agents-runner.test"] == "contract-image"
        assert [one.id for one in engine.list_images(labels)] == [image_id]
    finally:
        engine.remove(made)
        engine.remove_tag("agents-runner-contract-test:1")
    assert engine.find_image(image_id) is None


def test_it_says_who_it_is(port: tuple[Engine, str]) -> None:
    info = port[0].info()
    assert info.local
    assert info.platform.startswith("linux/")
    assert info.endpoint


def test_a_program_inside_a_running_container(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "while :; do sleep 1; done"))
    with pytest.raises(EngineError):
        engine.run_in(made, ["true"])
    engine.start(made)
    ran = engine.run_in(made, ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (ran.exit_code, ran.stdout, ran.stderr) == (3, b"out\n", b"err\n")
    assert engine.run_in(made, ["/bin/sh", "-c", "head -c 3000000 /dev/zero"]).stdout == bytes(3_000_000)
    with pytest.raises(EngineTimeout):
        engine.run_in(made, ["sleep", "60"], timeout=0.2)
    engine.stop(made, 0)


def test_a_connection_with_a_program_inside(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "while :; do sleep 1; done"))
    engine.start(made)
    pipe = engine.connect_in(made, ["/bin/sh", "-c", "echo ready; cat"])
    data = b""
    while len(data) < 6:
        data += pipe.read()
    assert data == b"ready\n"
    sent = bytes(range(256)) * 1000
    threading.Thread(target=pipe.write, args=(sent,), daemon=True).start()
    back = b""
    while len(back) < len(sent):
        back += pipe.read()
    assert back == sent
    ended = threading.Event()

    def reads() -> None:
        if pipe.read() == b"":
            ended.set()

    threading.Thread(target=reads, daemon=True).start()
    pipe.close()
    assert ended.wait(10)
    engine.stop(made, 0)


def test_what_is_sent_reaches_the_first_process(port: tuple[Engine, str]) -> None:
    engine, image = port
    spec = shell(
        image, 'IFS= read -r first; IFS= read -r second; echo "got $first, $second"; read -r more || echo end'
    )
    made = engine.create(replace(spec, stdin=True))
    stream = engine.attach(made, stdin=True)
    engine.start(made)
    stream.send(b"one\ntwo\n")
    found = b""
    for chunk in stream:
        found += chunk.data
        if b"got" in found:
            break
    assert found == b"got one, two\n"
    stream.close()
    # Whoever waits for more than was sent is not left waiting.
    assert engine.wait(made, 10).exit_code == 0
    stream.send(b"too late")


def test_what_is_sent_before_the_start_is_read_first_and_others_can_send_more(port: tuple[Engine, str]) -> None:
    engine, image = port
    spec = shell(image, 'for n in 1 2 3; do IFS= read -r line; echo "got $line"; done')
    made = engine.create(replace(spec, stdin=True, stdin_stays=True))
    stream = engine.attach(made, stdin=True)
    stream.send(b"early\n")
    stream.close()
    engine.start(made)
    later = engine.follow(made)
    found = b""
    for chunk in later:
        found += chunk.data
        if found.endswith(b"early\n"):
            break
    assert found == b"got early\n"
    state = engine.inspect(made)
    assert state is not None
    assert state.running, "it waits for more, although who sent the first line is gone"
    engine.send(made, b"second\n")
    engine.send(made, b"third\n")
    assert engine.wait(made, 10).exit_code == 0
    assert read(engine.follow(made))["stdout"] == "got early\ngot second\ngot third\n"


def test_a_file_above_the_limit_is_refused(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "true"))
    engine.put_file(made, "/etc/contract/file", b"12345")
    assert engine.get_file(made, "/etc/contract/file", limit=5) == b"12345"
    with pytest.raises(FileRefused):
        engine.get_file(made, "/etc/contract/file", limit=4)


def test_what_a_container_wrote_is_measured(port: tuple[Engine, str]) -> None:
    engine, image = port
    made = engine.create(shell(image, "true"))
    before = engine.written_bytes(made)
    engine.put_file(made, "/etc/contract/file", b"x" * 50_000)
    assert 50_000 <= engine.written_bytes(made) - before < 60_000
    engine.remove(made)
    with pytest.raises(ContainerMissing):
        engine.written_bytes(made)


def test_a_network_is_made_once_and_goes_when_nothing_uses_it(port: tuple[Engine, str]) -> None:
    engine, image = port
    # Not the application's own name: a person's task may be on that one.
    name, kind = f"agents-runner-contract-{secrets.token_hex(4)}", {NETWORK_KIND: "contract"}
    engine.ensure_network(name, kind)
    engine.ensure_network(name, kind)
    with pytest.raises(EngineRefused):
        engine.ensure_network(name, {NETWORK_KIND: "another"})
    made = engine.create(replace(shell(image, "true"), network=name))
    (found,) = engine.list_networks(kind)
    assert (found.name, len(found.containers)) == (name, 1), "also those that do not run"
    engine.remove(made)
    assert [one.containers for one in engine.list_networks(kind)] == [()]
    assert engine.list_networks({NETWORK_KIND: "another"}) == []
    engine.remove_network(name)
    engine.remove_network(name)
    assert engine.list_networks(kind) == []
