"""The proxy under a flood, and before hostile containers: few threads, nothing run, nothing of theirs served."""

from __future__ import annotations

import gzip
import io
import resource
import socket
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from agents_runner.core.container import ContainerSpec
from agents_runner.desktop import container_paths
from agents_runner.desktop.acceptor import Acceptor
from agents_runner.desktop.proxy import MAX_CONNECTIONS, DesktopProxy
from agents_runner.engine.fake import FakeEngine
from agents_runner.engine.port import Ran
from tests.support.waiting import until

GREETING = b"RFB 003.008\n"


def bomb() -> bytes:
    """A tar with a page's script of 1,000 MB, packed to 1 MB."""
    packed = io.BytesIO()
    entry = tarfile.TarInfo("core/rfb.js")
    entry.size = 1_000_000_000
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as out:
        out.write(entry.tobuf())
        block = bytes(10_000_000)
        for _ in range(100):
            out.write(block)
    return packed.getvalue()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    made = FakeEngine(lambda _spec, console: int(console.stopped.wait(60)) * 0)
    made.add_image("base:1")
    made.create(ContainerSpec(name="box", image="base:1"))
    made.start("box")
    monkeypatch.setattr(container_paths, "CONNECT", ("sh", "-c", "printf 'RFB 003.008\\n'; exec cat"))
    monkeypatch.setattr(container_paths, "as_person", lambda _user, argv: argv)
    yield made
    made.close()


@pytest.fixture
def proxy(engine: FakeEngine) -> Iterator[DesktopProxy]:
    with ThreadPoolExecutor(2) as asking:
        made = DesktopProxy(engine, user="1000:1000", asking=asking)
        made.attach("box")
        yield made
        made.close()


def ask(proxy: DesktopProxy, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", proxy.tokens.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def proxy_threads() -> int:
    return sum(thread.name == "desktop-proxy" for thread in threading.enumerate())


def test_m5_a_bomb_in_the_container_is_never_asked_for(proxy: DesktopProxy, engine: FakeEngine) -> None:
    data = bomb()
    assert len(data) < 1_100_000
    engine.insiders.append(lambda _argv: Ran(exit_code=0, stdout=data, stderr=b""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, script = ask(proxy, "/novnc/core/rfb.js?1")
    assert (status, b"noVNC" in script) == (200, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"
    assert "run_in" not in engine.calls


def test_low_without_a_token_nothing_is_run(proxy: DesktopProxy, engine: FakeEngine) -> None:
    for path in ("/", "/page.js", "/novnc/core/rfb.js", "/novnc/vendor/pako/lib/zlib/inflate.js", "/check", "/x"):
        ask(proxy, path)
    with suppress(WebSocketException):
        connect(f"ws://127.0.0.1:{proxy.tokens.port}/vnc", compression=None).close()
    assert not {"run_in", "connect_in", "get_file"} & set(engine.calls)
    for path in (
        "/novnc/../../proxy.py",
        "/novnc/core/../../page.js",
        "/novnc/core",
        "/novnc//core/rfb.js",
        "/novnc/LICENSE.txt",
    ):
        assert ask(proxy, path)[0] == 404


def test_low_a_thousand_half_open_connections_take_few_threads_and_keep_nobody_out(proxy: DesktopProxy) -> None:
    address = f"ws://127.0.0.1:{proxy.tokens.port}/vnc"
    words = ["binary", f"token.{proxy.tokens.control}"]
    with ExitStack() as stack:
        viewer = stack.enter_context(connect(address, subprotocols=words, compression=None))  # type: ignore[arg-type]
        assert viewer.recv(timeout=30) == GREETING
        most = 0
        for _ in range(1000):
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.tokens.port)))
            most = max(most, proxy_threads())
        assert most <= MAX_CONNECTIONS + 1, "a thread each, and the one that takes connections"
        # Who is inside stays inside, and who comes with a token finds a place.
        viewer.send(b"still here")
        assert viewer.recv(timeout=30) == b"still here"

        def another() -> bool:
            try:
                with connect(address, subprotocols=words, compression=None, open_timeout=30) as second:  # type: ignore[arg-type]
                    return second.recv(timeout=30) == GREETING
            except (WebSocketException, OSError, HTTPException, EOFError):
                return False

        until(another)
    until(lambda: proxy_threads() <= 2)


def test_low_the_acceptor_never_holds_more_than_it_may_and_closes_the_oldest() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    gate = threading.Event()

    def handler(one: socket.socket, _address: object) -> None:
        with suppress(OSError):
            one.sendall(b"in")
            one.recv(1)
        gate.wait(30)

    acceptor = Acceptor(listening, handler, most=2, name="test-acceptor")
    try:
        with ExitStack() as stack:
            port = listening.getsockname()[1]
            first, second = (stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2))
            assert (first.recv(2), second.recv(2)) == (b"in", b"in")
            third = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert third.recv(2) == b"", "there was no place"
            assert first.recv(2) == b"", "it had waited longest"
            gate.set()

            def place() -> bool:
                with socket.create_connection(("127.0.0.1", port)) as fourth:
                    return fourth.recv(2) == b"in"

            until(place)
    finally:
        acceptor.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port)).close()
