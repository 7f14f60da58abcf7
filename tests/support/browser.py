"""A real headless Chromium, driven over its DevTools protocol: looking at pages, clicking, typing."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def _do(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def js(self, expression: str) -> Any:
        """The value of an expression; a promise is waited for."""
        done = self._do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._do(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left",
                buttons=1 if kind == "mousePressed" else 0, clickCount=1,
            )  # fmt: skip

    def type(self, text: str) -> None:
        """Key by key; letters, digits, spaces and line ends."""
        for char in text:
            key = "Enter" if char == "\n" else char
            code = "Enter" if char == "\n" else "Space" if char == " " else ""
            code = code or (f"Digit{char}" if char.isdigit() else f"Key{char.upper()}")
            number = 13 if char == "\n" else ord(char.upper())
            for kind in ("rawKeyDown", "keyUp"):
                self._do("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number)

    def pixels(self, red: int, green: int, blue: int) -> int:
        """How many pixels of the page's canvas have exactly this colour; 0 where there is no canvas."""
        return int(
            self.js(
                "(() => { const canvas = document.querySelector('canvas'); if (!canvas || !canvas.width) return 0;"
                "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
                "let count = 0; for (let at = 0; at < data.length; at += 4)"
                f"if (data[at] === {red} && data[at + 1] === {green} && data[at + 2] === {blue}) count++;"
                "return count; })()"
            )
        )

    @property
    def state(self) -> str:
        """What the desktop's page says of itself."""
        return str(self.js("document.body.dataset.state || ''"))

    def wait_for_state(self, text: str) -> None:
        until(lambda: text in self.state, what=f"the page's state {text!r} (it is {self.state!r})")


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port

    @contextlib.contextmanager
    def open(self, url: str) -> Iterator[Page]:
        """A new tab with this address."""
        request = Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urlopen(request, timeout=30) as answer:
            target = json.load(answer)
        with connect(target["webSocketDebuggerUrl"], max_size=None, compression=None) as connection:
            page = Page(connection)
            page._do("Page.enable")
            page._do("Page.navigate", url=url)
            until(
                lambda: page.js("document.readyState") == "complete", what=f"the page {url.split('#', maxsplit=1)[0]}"
            )
            try:
                yield page
            finally:
                page._do("Page.close")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """In CI a missing one is a failure, elsewhere a skip."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium (bash scripts/setup.sh --dev installs one)")
    folder = Path(tempfile.mkdtemp(prefix="agents-runner-chromium-"))
    options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"]
    options += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1300,900"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    process = subprocess.Popen(
        [program, *options, "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(folder)},
    )
    try:
        port_file = folder / "DevToolsActivePort"
        until(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1, what="Chromium")
        yield Browser(int(port_file.read_text().split("\n", 1)[0]))
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
