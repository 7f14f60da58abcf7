"""The live view with the real browser engine on a real X server; needs the extra `desktop` and Xvfb."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.ui.live_view import NOT_LOADED

ROOT = Path(__file__).resolve().parents[2]
PAGE = b"<!doctype html><title>x</title><script>fetch('/said?' + location.hash.slice(1))</script>"
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("PySide6.QtWebEngineWidgets") is None, reason="the extra `desktop` is not installed"
    ),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="there is no Xvfb"),
]


class Site(http.server.ThreadingHTTPServer):
    """Serves one page, which says what its fragment is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.said = threading.Event()
        self.paths: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)
        if self.path.startswith("/said"):
            self.server.said.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def display() -> Iterator[str]:
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as said:
        number = said.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


def start(display: str, url: str, *, embed: bool) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    if os.geteuid() == 0:
        environment["QTWEBENGINE_CHROMIUM_FLAGS"] = "--no-sandbox"
    view = subprocess.Popen(
        [sys.executable, "-P", "-m", "agents_runner.ui.live_view"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert view.stdin is not None
    view.stdin.write(json.dumps({"url": url, "title": "Desktop", "embed": embed}).encode() + b"\n")
    view.stdin.flush()
    return view


@pytest.mark.parametrize("embed", [True, False])
def test_it_shows_the_page_and_ends_with_its_input(site: Site, display: str, embed: bool) -> None:
    with start(display, f"http://127.0.0.1:{site.server_address[1]}/#token=secret", embed=embed) as view:
        assert view.stdin is not None
        assert view.stdout is not None
        try:
            said = [json.loads(view.stdout.readline()) for _ in range(2)]
            assert {"loaded": True} in said
            (window,) = [one["window"] for one in said if "window" in one]
            assert (window > 0) is embed
            assert site.said.wait(30)
            assert "/said?token=secret" in site.paths
            view.stdin.close()
            assert view.wait(30) == 0
        finally:
            view.kill()


def test_a_page_that_is_not_there_ends_it(display: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given_back:
        port = given_back.getsockname()[1]
    with start(display, f"http://127.0.0.1:{port}/", embed=False) as view:
        try:
            assert view.wait(60) == NOT_LOADED
        finally:
            view.kill()
