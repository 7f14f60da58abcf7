"""The proxy to a desktop, with a program of this machine in the VNC server's place."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from agents_runner.core.container import ContainerSpec
from agents_runner.core.errors import EngineRefused
from agents_runner.desktop import container_paths
from agents_runner.desktop.access_tokens import AccessTokens, answers
from agents_runner.desktop.proxy import MAX_VIEWERS, DesktopProxy
from agents_runner.engine.fake import Console, FakeEngine

ASKING = ThreadPoolExecutor(2)
GREETING = b"RFB 003.008\n"


def waits(_spec: ContainerSpec, console: Console) -> int:
    console.stopped.wait(60)
    return 0


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    made = FakeEngine(waits)
    made.add_image("base:1")
    made.create(ContainerSpec(name="box", image="base:1"))
    made.start("box")
    # The stand-in greets as a VNC server does, and then says back what it hears.
    monkeypatch.setattr(container_paths, "CONNECT", ("sh", "-c", "printf 'RFB 003.008\\n'; exec cat"))
    monkeypatch.setattr(container_paths, "as_person", lambda _user, argv: argv)
    yield made
    made.close()


@pytest.fixture
def proxy(engine: FakeEngine) -> Iterator[DesktopProxy]:
    made = DesktopProxy(engine, user="1000:1000", asking=ASKING)
    made.attach("box")
    yield made
    made.close()


def enter(proxy: DesktopProxy, token: str, **headers: str) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{proxy.tokens.port}/vnc",
        subprotocols=["binary", f"token.{token}"],  # type: ignore[list-item]
        additional_headers=headers or None,
        compression=None,
    )


def ask(proxy: DesktopProxy, path: str, **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", proxy.tokens.port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def test_with_its_token_bytes_go_both_ways(proxy: DesktopProxy) -> None:
    with enter(proxy, proxy.tokens.control) as viewer:
        assert viewer.subprotocol == "binary"
        assert viewer.recv(timeout=30) == GREETING
        viewer.send(bytes(range(256)))
        assert viewer.recv(timeout=30) == bytes(range(256))


def test_the_other_token_may_only_look(proxy: DesktopProxy) -> None:
    with enter(proxy, proxy.tokens.view) as viewer:
        assert viewer.recv(timeout=30) == GREETING
        viewer.send(GREETING + b"\x01\x01" + b"\x04\x01\x00\x00\x00\x00\x00\x61" + b"\x03\x01" + bytes(8))
        heard = b""
        while len(heard) < 24:
            part = viewer.recv(timeout=30)
            heard += part if isinstance(part, bytes) else part.encode()
        assert heard == GREETING + b"\x01\x01" + b"\x03\x01" + bytes(8)
        viewer.send(b"\x63")
        with pytest.raises(ConnectionClosed):
            viewer.recv(timeout=30)


def refused(proxy: DesktopProxy, path: str = "/vnc", offered: tuple[str, ...] = (), **headers: str) -> int:
    """The status with which a WebSocket is refused."""
    address = f"ws://127.0.0.1:{proxy.tokens.port}{path}"
    words = ["binary", *offered]
    with (
        pytest.raises(InvalidStatus) as error,
        connect(address, subprotocols=words, additional_headers=headers or None, compression=None),  # type: ignore[arg-type]
    ):
        pass
    return error.value.response.status_code


def test_every_other_token_is_refused_before_anything_is_run(proxy: DesktopProxy, engine: FakeEngine) -> None:
    good = proxy.tokens.control
    for token in ("", "x", good[:-1], good + "x", good.swapcase()):
        assert refused(proxy, offered=(f"token.{token}",)) == 403
    assert refused(proxy) == 403
    assert refused(proxy, path=f"/vnc?token={good}") == 403
    assert refused(proxy, offered=(good,)) == 403
    assert refused(proxy, offered=(f"token.{good}", "token.x")) == 403
    assert "connect_in" not in engine.calls


def test_foreign_names_and_pages_are_refused(proxy: DesktopProxy) -> None:
    assert refused(proxy, offered=(f"token.{proxy.tokens.control}",), Origin="http://elsewhere.example") == 403
    with enter(proxy, proxy.tokens.control, Origin=f"http://localhost:{proxy.tokens.port}") as viewer:
        assert viewer.recv(timeout=30) == GREETING
    assert ask(proxy, "/", Host="elsewhere.example").status == 421
    assert ask(proxy, "/", Host=f"localhost:{proxy.tokens.port}").status == 200


def test_the_page_and_novnc_are_served_with_a_policy(proxy: DesktopProxy) -> None:
    page = ask(proxy, "/")
    assert page.status == 200
    assert b"page.js" in page.body  # type: ignore[attr-defined]
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    script = ask(proxy, "/novnc/core/rfb.js?123")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    for path in (
        "/novnc/core/link.js",
        "/novnc/../../proxy.py",
        "/../proxy.py",
        "/access_tokens.py",
        "/novnc/",
        "/page.html",
    ):
        assert ask(proxy, path).status == 404


def test_whether_a_token_opens_can_be_asked(proxy: DesktopProxy) -> None:
    for token, status in ((proxy.tokens.control, 204), (proxy.tokens.view, 204), ("x", 403), ("", 403)):
        assert ask(proxy, "/check", Authorization=f"Bearer {token}").status == status


def test_before_it_leads_anywhere_it_says_try_again(engine: FakeEngine) -> None:
    proxy = DesktopProxy(engine, user="0:0", asking=ASKING)
    try:
        assert ask(proxy, "/novnc/core/rfb.js").status == 200
        with enter(proxy, proxy.tokens.control) as viewer, pytest.raises(ConnectionClosed) as closed:
            viewer.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        # What was not there is asked for again.
        proxy.attach("box")
        assert ask(proxy, "/novnc/core/rfb.js").status == 200
    finally:
        proxy.close()


def test_a_container_that_is_gone_closes_the_connection(proxy: DesktopProxy, engine: FakeEngine) -> None:
    engine.failures.append(("connect_in", EngineRefused("not running")))
    with enter(proxy, proxy.tokens.control) as viewer, pytest.raises(ConnectionClosed) as closed:
        viewer.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.reason == "The container cannot be reached."


def test_closing_shows_everybody_out(engine: FakeEngine) -> None:
    proxy = DesktopProxy(engine, user="0:0", asking=ASKING)
    proxy.attach("box")
    with enter(proxy, proxy.tokens.control) as viewer:
        assert viewer.recv(timeout=30) == GREETING
        proxy.close()
        with pytest.raises(ConnectionClosed):
            viewer.recv(timeout=30)
    deadline = time.monotonic() + 30
    while answers(proxy.tokens.port):
        assert time.monotonic() < deadline
    assert not answers(proxy.tokens.port)


def test_it_is_opened_again_at_the_same_place(engine: FakeEngine) -> None:
    first = DesktopProxy(engine, user="0:0", asking=ASKING)
    first.close()
    again = DesktopProxy(engine, user="0:0", asking=ASKING, earlier=first.tokens)
    try:
        assert again.tokens == first.tokens
    finally:
        again.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = AccessTokens(port=taken.getsockname()[1], control="c", view="v")
        other = DesktopProxy(engine, user="0:0", asking=ASKING, earlier=wanted)
        try:
            assert other.tokens.port != wanted.port
            assert (other.tokens.control, other.tokens.view) == ("c", "v")
        finally:
            other.close()


def test_there_is_a_limit_to_viewers(proxy: DesktopProxy) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            viewer = stack.enter_context(enter(proxy, proxy.tokens.control))
            assert viewer.recv(timeout=30) == GREETING
        assert refused(proxy, offered=(f"token.{proxy.tokens.control}",)) == 503


def test_nothing_is_logged(proxy: DesktopProxy, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        with enter(proxy, proxy.tokens.control) as viewer:
            viewer.recv(timeout=30)
        refused(proxy, offered=("token.wrong",))
        ask(proxy, "/check", Authorization=f"Bearer {proxy.tokens.control}")
    assert [record for record in caplog.records if not record.name.startswith("websockets.client")] == []


def test_tokens_are_long_and_each_its_own(engine: FakeEngine) -> None:
    proxies = [DesktopProxy(engine, user="0:0", asking=ASKING) for _ in range(3)]
    try:
        tokens = [token for proxy in proxies for token in (proxy.tokens.control, proxy.tokens.view)]
        assert len(set(tokens)) == 6
        assert all(len(token) == 32 for token in tokens)  # 24 random bytes
        assert all(proxy.tokens.control not in proxy.url for proxy in proxies)
        assert proxies[0].tokens.address("view").endswith(f"#token={proxies[0].tokens.view}&view=1")
    finally:
        for proxy in proxies:
            proxy.close()


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b'{"port": "x"}', b'{"port": 1}', b"null"])
def test_keys_that_cannot_be_read_are_none(data: bytes | None) -> None:
    assert AccessTokens.from_json(data) is None


def test_keys_round_trip() -> None:
    tokens = AccessTokens(port=5, control="a", view="b")
    assert AccessTokens.from_json(tokens.to_json()) == tokens
