"""A unix socket between the application and the engine's own that loses, cuts, holds or delays chosen answers."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_READ = 65536


@dataclass(kw_only=True)
class Fault:
    """What happens to the answers of requests whose `METHOD path` matches, for the first `times` of them.

    drop: the engine gets the request and answers, nobody hears it. cut: the connection ends after `after` bytes
    of the answer. stall: no byte comes after `after`, until `FaultProxy.release`. delay: it comes `seconds` later.
    """

    request: str
    kind: Literal["drop", "cut", "stall", "delay"]
    times: int = 1
    after: Callable[[], int] = lambda: 0
    seconds: float = 0.0


class FaultProxy:
    """Listens at `host`. `requests` are the lines `METHOD path` that came by, in their order."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.host = f"unix://{folder}/proxy.sock"
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.happened: list[str] = []
        self._engine = engine.removeprefix("unix://")
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._severed = False
        self._released = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/proxy.sock")
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()

    def count(self, request: str) -> int:
        return sum(re.search(request, one) is not None for one in self.requests)

    def sever(self) -> None:
        """Cut every connection, and each new one at once."""
        self._severed = True
        self._end_all()

    def restore(self) -> None:
        self._severed = False

    def release(self) -> None:
        """Let go of what is stalled."""
        self._released.set()

    def _end_all(self) -> None:
        with self._lock:
            ends = list(self._open)
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @contextlib.contextmanager
    def _kept(self, *ends: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.update(ends)
        try:
            yield
        finally:
            with self._lock:
                self._open.difference_update(ends)
            for one in ends:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _serve(self, client: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        with self._kept(client, engine), contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(_READ)
                if not data or self._severed:
                    return
                head += data
            line, _, rest = head.partition(b"\r\n")
            request = " ".join(line.decode().split(" ")[:2])
            with self._lock:
                self.requests.append(request)
                fault = next((one for one in self.faults if one.times > 0 and re.search(one.request, request)), None)
                if fault is not None:
                    fault.times -= 1
            engine.connect(self._engine)
            if b"\r\nupgrade: tcp" not in rest.lower().partition(b"\r\n\r\n")[0]:
                # One request a connection: so its answer ends with the connection, and need not be understood.
                rest = re.sub(rb"(?i)(^|\r\n)connection: [^\r]*", b"", rest, count=1).removeprefix(b"\r\n")
                line += b"\r\nConnection: close"
            engine.sendall(line + b"\r\n" + rest)
            threading.Thread(target=self._up, args=(client, engine), daemon=True).start()
            self._down(engine, client, fault, request)

    def _up(self, client: socket.socket, engine: socket.socket) -> None:
        """The rest of the request; the asker's leaving is told to the engine, as without a proxy."""
        with contextlib.suppress(OSError):
            while data := client.recv(_READ):
                engine.sendall(data)
        with contextlib.suppress(OSError):
            engine.shutdown(socket.SHUT_WR)

    def _down(self, engine: socket.socket, client: socket.socket, fault: Fault | None, request: str) -> None:
        left = fault.after() if fault is not None and fault.kind in ("cut", "stall") else None
        if fault is not None and fault.kind != "cut":
            self.happened.append(f"{fault.kind} {request}")
        if fault is not None and fault.kind == "delay":
            self._released.wait(fault.seconds)
        while data := engine.recv(_READ):
            if fault is not None and fault.kind == "drop":
                continue
            if left is not None and len(data) >= left:
                client.sendall(data[:left])
                if fault is None or fault.kind == "cut":
                    self.happened.append(f"cut {request}")
                    return
                self._released.wait()
                data, left = data[left:], None
            elif left is not None:
                left -= len(data)
            client.sendall(data)
