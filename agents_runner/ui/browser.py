"""Opens an address that holds a secret in the system's browser, without the secret in any argument list."""

from __future__ import annotations

import hmac
import http
import secrets
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from agents_runner.core.errors import StoreError

TICKET_S = 60.0
_ADDRESS = "127.0.0.1"
_PATIENCE_S = 5.0


def open_url(url: str) -> bool:
    """Have the system open it; on the window's thread. False if it has nothing to open it with."""
    return QDesktopServices.openUrl(QUrl(url))


def ticket(url: str, valid_s: float = TICKET_S) -> str:
    """An address on this machine that leads to `url` once, within `valid_s` seconds.

    What the system opens is an argument of the browser's for as long as that runs, and everybody on the machine can
    read arguments: so they get one that is used up. Raises StoreError where no port can be had.
    """
    try:
        server = _Server((_ADDRESS, 0), _Handler)
    except OSError as error:
        raise StoreError(f"No port for the browser can be had: {error.strerror}.", "Try again.") from error
    server.path = f"/{secrets.token_urlsafe(24)}"
    server.target = url
    threading.Thread(target=server.serve_forever, args=(0.2,), name="browser-ticket", daemon=True).start()
    late = threading.Timer(valid_s, server.end)
    late.daemon = True
    late.start()
    server.late = late
    return f"http://{_ADDRESS}:{server.server_address[1]}{server.path}"


class _Server(socketserver.ThreadingTCPServer):
    # A browser may connect beforehand and say nothing: that must not hold up the connection that asks.
    daemon_threads = True
    path = ""
    target = ""
    late: threading.Timer | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._lock = threading.Lock()

    def redeem(self, path: str) -> str:
        """Where the ticket leads; "" for a wrong one and for one that was used."""
        with self._lock:
            if not hmac.compare_digest(path.encode("utf-8", "replace"), self.path.encode()):
                return ""
            target, self.target = self.target, ""
            return target

    def end(self) -> None:
        """Not on the thread that serves."""
        self.target = ""
        if self.late is not None:
            self.late.cancel()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever breaks off the connection hurts nobody, and nothing of it belongs into a log."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        target = server.redeem(self.path)
        self.send_response(http.HTTPStatus.FOUND if target else http.HTTPStatus.GONE)
        if target:
            self.send_header("Location", target)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        if target:
            threading.Thread(target=server.end, daemon=True).start()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The request's line holds the ticket."""
