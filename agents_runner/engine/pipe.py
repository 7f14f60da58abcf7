"""A program inside a container, connected both ways over the hijacked connection of an exec."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, cast

import requests

from agents_runner.core.errors import EngineTimeout, EngineUnreachable
from agents_runner.engine.port import Chunk
from agents_runner.engine.streams import FrameParser

_READ = 65536
MAX_OUTPUT = 64 * 1024 * 1024


class ExecPipe:
    """See `engine.port.Pipe`."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response  # losing it would close the socket
        # The buffered reader, not the socket: the first output may have come in one piece with the reply's head.
        self._reader = cast("Any", response.raw)._fp.fp
        raw = self._reader.raw
        self._socket = cast("socket.socket", getattr(raw, "_sock", raw))
        self._socket.settimeout(None)
        self._parser = FrameParser()
        self._ready: list[Chunk] = []
        self._lock = threading.Lock()
        self._closed = False

    def chunk(self) -> Chunk | None:
        """The next bytes of either stream; None at the end."""
        while not self._ready:
            try:
                data = self._reader.read1(_READ)
            except (OSError, ValueError):
                return None  # closed, here or at the other end
            if not data:
                return None
            self._ready += self._parser.feed(data)
        return self._ready.pop(0)

    def read(self) -> bytes:
        while (chunk := self.chunk()) is not None:
            if chunk.stream == "stdout":
                return chunk.data
        return b""

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise EngineUnreachable("The connection into the container is gone.") from error

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.close()


def collected(pipe: ExecPipe, timeout: float) -> tuple[bytes, bytes]:
    """All that a program writes, to its end. Raises EngineTimeout after `timeout` seconds."""
    found = {"stdout": bytearray(), "stderr": bytearray()}
    late = threading.Event()

    def end() -> None:
        late.set()
        pipe.close()

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    try:
        while (chunk := pipe.chunk()) is not None:
            if sum(map(len, found.values())) < MAX_OUTPUT:
                found[chunk.stream] += chunk.data
    finally:
        timer.cancel()
        pipe.close()
    if late.is_set():
        raise EngineTimeout(f"A program in the container did not end within {timeout:g} s.")
    return bytes(found["stdout"]), bytes(found["stderr"])
