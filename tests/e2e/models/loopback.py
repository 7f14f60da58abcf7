"""The HTTP half that the models share: records each request, answers with server-sent events."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Event = tuple[str, Body]
"""Name ("" for none) and data of one server-sent event."""
Answer = Callable[[str, Body], Iterable[Event] | None]
"""From path and body to the events; None for a path that this model does not know."""


@dataclass(kw_only=True)
class Served:
    """A model that runs: its port, and what it was asked so far."""

    port: int
    requests: list[tuple[str, Body]] = field(default_factory=list)

    def texts(self) -> list[str]:
        """Every text anywhere in the requests, in order: what the agent told the model."""
        return [text for _, body in self.requests for text in _strings(body)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


@contextmanager
def serving(answer: Answer, host: str, port: int) -> Iterator[Served]:
    """Serve until the block ends; port 0 takes a free one."""
    server = ThreadingHTTPServer((host, port), BaseHTTPRequestHandler)
    server.daemon_threads = True
    served = Served(port=server.server_address[1])
    server.RequestHandlerClass = _handler(answer, served)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answer: Answer, served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(404, "application/json", b"{}")

        def do_HEAD(self) -> None:
            self._send(200, "application/json", b"")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            served.requests.append((self.path, body))
            events = answer(self.path, body)
            if events is None:
                self._send(404, "application/json", b"{}")
            else:
                self._send(200, "text/event-stream", b"".join(_wire(*event) for event in events))

        def _send(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


def _wire(name: str, data: Body) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()
