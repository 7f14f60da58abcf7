"""Between the application and the engine: a socket that loses answers, cuts streams, and goes away and comes back."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_READ = 65536
_REQUEST = re.compile(rb"(GET|POST|HEAD|PUT|DELETE) (/\S+) HTTP/1\.1\r\n")


@dataclass(kw_only=True)
class Fault:
    """What happens to requests whose `METHOD /path?query` matches: the answer is cut after `after` bytes."""

    request: re.Pattern[str]
    after: int = 0
    times: int = 1
    happened: list[str] = field(default_factory=list)


class FaultProxy:
    """Give `address` to the application. `faults` may be changed at any time."""

    def __init__(self, path: Path, engine: str) -> None:
        self.address = f"unix://{path}"
        self.faults: list[Fault] = []
        self._path = path
        self._engine = engine
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener: socket.socket | None = None
        self.up()

    def fault(self, request: str, *, after: int = 0, times: int = 1) -> Fault:
        made = Fault(request=re.compile(request), after=after, times=times)
        self.faults.append(made)
        return made

    def up(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        """Nobody answers any more, and every connection is cut."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._cut(pair)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._engine)
            pair = (client, engine)
            with self._lock:
                self._pairs.add(pair)
            if self._listener is not listener:
                self._cut(pair)  # it went down in between
                continue
            answer = _Answer()
            threading.Thread(target=self._requests, args=(pair, answer), daemon=True).start()
            threading.Thread(target=self._answers, args=(pair, answer), daemon=True).start()

    def _requests(self, pair: tuple[socket.socket, socket.socket], answer: _Answer) -> None:
        client, engine = pair
        with contextlib.suppress(OSError):
            while data := client.recv(_READ):
                found = _REQUEST.match(data)
                if found:
                    answer.cut_after = self._wanted(b" ".join(found.groups()).decode())
                    answer.sent = 0
                engine.sendall(data)
            engine.shutdown(socket.SHUT_WR)
            return
        self._cut(pair)

    def _wanted(self, request: str) -> int | None:
        for fault in self.faults:
            if fault.times > 0 and fault.request.search(request):
                fault.times -= 1
                fault.happened.append(request)
                return fault.after
        return None

    def _answers(self, pair: tuple[socket.socket, socket.socket], answer: _Answer) -> None:
        client, engine = pair
        with contextlib.suppress(OSError):
            while data := engine.recv(_READ):
                if answer.cut_after is not None and answer.sent + len(data) > answer.cut_after:
                    client.sendall(data[: answer.cut_after - answer.sent])
                    break
                client.sendall(data)
                answer.sent += len(data)
        self._cut(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for one in pair:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@dataclass
class _Answer:
    """Of the request that a connection is busy with: bytes sent so far, and after how many it is cut."""

    sent: int = 0
    cut_after: int | None = None


@contextmanager
def fault_proxy(folder: Path) -> Iterator[FaultProxy]:
    """In front of the engine that the tests use."""
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    proxy = FaultProxy(folder / "engine.sock", engine)
    try:
        yield proxy
    finally:
        proxy.down()
