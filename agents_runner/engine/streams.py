"""A container's output as chunks: frames of the engine's multiplexed stream, with ticks while it is silent."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

import requests
import urllib3.exceptions

from agents_runner.engine.port import Chunk
from agents_runner.engine.ticks import TICK, with_ticks

SEND_S = 10.0
"""Seconds that a container may take to read what is sent to it."""
_HEADER = 8
_READ = 65536


class Closable(Protocol):
    def close(self) -> object: ...


class FrameParser:
    """Cuts bytes into frames: 8 bytes of header (stream, length), then the payload, cut anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        self._stream: Literal["stdout", "stderr"] = "stdout"

    def feed(self, data: bytes) -> Iterator[Chunk]:
        self._buffer += data
        while self._buffer:
            if not self._left:
                if len(self._buffer) < _HEADER:
                    return
                kind, self._left = struct.unpack(">BxxxL", self._buffer[:_HEADER])
                self._stream = "stderr" if kind == 2 else "stdout"
                del self._buffer[:_HEADER]
                continue
            payload = bytes(self._buffer[: self._left])
            del self._buffer[: len(payload)]
            self._left -= len(payload)
            yield Chunk(stream=self._stream, data=payload)


class SocketStream:
    """Output over a hijacked connection: attached before the start, so nothing is missed.

    Its end looks the same whether the container ended or the connection broke off, so it is never `complete`.
    """

    complete = False

    def __init__(self, raw: socket.socket, keep: Closable) -> None:
        self._socket = raw
        self._keep = keep  # what docker-py gave out for it; losing it would close the socket
        self._closed = False

    def __iter__(self) -> Iterator[Chunk]:
        with contextlib.suppress(OSError):
            self._socket.settimeout(TICK)
        try:
            yield from self._chunks()
        finally:
            self.close()

    def _chunks(self) -> Iterator[Chunk]:
        parser = FrameParser()
        while not self._closed:
            try:
                data = self._socket.recv(_READ)
            except TimeoutError:
                yield Chunk(stream="stdout", data=b"")
                continue
            except OSError:
                return
            if not data:
                return
            yield from parser.feed(data)

    def send(self, data: bytes) -> None:
        """Write to the first process; one that has ended says so by its exit, and its output."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(SEND_S)
            self._socket.sendall(data)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._keep, self._socket):
            with contextlib.suppress(OSError):
                one.close()


def is_chunked(response: requests.Response) -> bool:
    """Whether an answer comes in chunks: otherwise, or with a cut head, its end looks like a broken connection."""
    return "chunked" in str(response.headers.get("Transfer-Encoding", "")).lower()


class ResponseStream:
    """Output of the engine's log file, from the beginning, leaving out the bytes that are known already."""

    def __init__(self, response: requests.Response, skip: Mapping[str, int]) -> None:
        self._response = response
        self._skip = dict(skip)
        self._complete = False

    @property
    def complete(self) -> bool:
        return self._complete

    def __iter__(self) -> Iterator[Chunk]:
        parser = FrameParser()
        raw = self._response.raw
        try:
            for data in with_ticks(raw.stream(_READ, decode_content=False), self.close):
                if data is None:
                    yield Chunk(stream="stdout", data=b"")
                    continue
                for chunk in parser.feed(data):
                    fresh = self._fresh(chunk)
                    if fresh.data:
                        yield fresh
            self._complete = is_chunked(self._response)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            # A cut connection ends the stream; what became of the container is asked elsewhere.
            return

    def _fresh(self, chunk: Chunk) -> Chunk:
        known = min(self._skip.get(chunk.stream, 0), len(chunk.data))
        if not known:
            return chunk
        self._skip[chunk.stream] -= known
        return Chunk(stream=chunk.stream, data=chunk.data[known:])

    def close(self) -> None:
        connection = getattr(self._response.raw, "_connection", None)
        raw = getattr(connection, "sock", None)
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, AttributeError, urllib3.exceptions.HTTPError):
            self._response.close()
