"""Takes connections on a listening socket, a thread for each, and never more of them than a fixed number."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

Handler = Callable[[socket.socket, Any], None]


class Acceptor:
    """Counts connections before a thread is made for one, so that a flood of them takes neither threads nor files.

    Where the number is reached, the new one is closed at once, and so is the one that has waited longest without
    showing that it may come in: whoever may, and tries again, finds a place.
    """

    def __init__(self, listening: socket.socket, handler: Handler, *, most: int, name: str) -> None:
        """`handler` owns the socket it is given and closes it; it runs on a thread of its own."""
        self._listening = listening
        self._handler = handler
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, None] = {}
        self._inside: set[socket.socket] = set()
        self._woken, self._wake = socket.socketpair()
        listening.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def admit(self, connection: socket.socket) -> None:
        """This one showed that it may come in: it is not closed for another's sake."""
        with self._lock:
            if connection in self._waiting:
                del self._waiting[connection]
                self._inside.add(connection)

    def close(self) -> None:
        """Take no further connection and end those that are there; what ends them runs on their own threads."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join()
        with self._lock:
            left = [*self._waiting, *self._inside]
        for one in left:
            _end(one)

    def _run(self) -> None:
        with selectors.DefaultSelector() as poller:
            poller.register(self._woken, selectors.EVENT_READ)
            poller.register(self._listening, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in poller.select()):
                self._accept()
        for one in (self._listening, self._woken, self._wake):
            one.close()

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except OSError:
            return  # it went away again, or this process has no descriptor left for it
        connection.setblocking(True)
        with self._lock:
            full = len(self._waiting) + len(self._inside) >= self._most
            oldest = next(iter(self._waiting), None) if full else None
            if not full:
                self._waiting[connection] = None
        if full:
            connection.close()
            if oldest is not None:
                _end(oldest)
            return
        threading.Thread(target=self._handle, args=(connection, address), name=self._name, daemon=True).start()

    def _handle(self, connection: socket.socket, address: object) -> None:
        try:
            self._handler(connection, address)
        finally:
            with self._lock:
                self._waiting.pop(connection, None)
                self._inside.discard(connection)
            connection.close()


def _end(connection: socket.socket) -> None:
    """Wake whoever reads from it; its own thread closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
