"""The way from a person's browser to a task's desktop: a page and a WebSocket on this machine's loopback address.

No port of a container is published, and nothing in it listens on a network. The proxy takes connections on
127.0.0.1 and a port of the system's choice, checks the token, and only then has the engine run a program in
the container that is connected to the VNC server's socket file. The token never leaves this machine: it is in
the fragment of the address, which a browser keeps to itself, and comes as a WebSocket subprotocol or an
`Authorization` header, neither of which anybody logs.
"""

from __future__ import annotations

import contextlib
import functools
import hmac
import http
import logging
import socket
import threading
from concurrent.futures import Executor
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from agents_runner.core.errors import AgentsRunnerError, StoreError
from agents_runner.desktop import container_paths
from agents_runner.desktop.acceptor import Acceptor
from agents_runner.desktop.access_tokens import ADDRESS, Access, AccessTokens, new_token
from agents_runner.desktop.rfb import ViewOnly
from agents_runner.engine.port import Engine, Pipe

PROTOCOL = Subprotocol("binary")
TOKEN_PREFIX = "token."
TRY_AGAIN, BROKEN, REFUSED = 1013, 1011, 1008
MAX_VIEWERS = 16
_PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "json": "application/json"}
MAX_CONNECTIONS = 64
"""How many connections one proxy takes, viewers and requests together; a browser opens six at once."""
# What websockets would log holds request lines and headers; nobody is to read those.
_SILENT = logging.getLogger("agents_runner.desktop.silent")
_SILENT.disabled = True


class DesktopProxy:
    """One task's proxy. It is open from the beginning; pictures come once it is told the container."""

    def __init__(self, engine: Engine, *, user: str, asking: Executor, earlier: AccessTokens | None = None) -> None:
        """`user` is the person's `uid:gid` in the container, `earlier` an earlier proxy's tokens.

        `asking` has the threads that talk to the engine, which keeps a client for each: viewers come and go, those
        threads stay. Raises StoreError where no port can be had.
        """
        self._engine = engine
        self._user = user
        self._container = ""
        self._lock = threading.Lock()
        self._viewers: set[ServerConnection] = set()
        self._asking = asking
        listening = _listen(earlier.port if earlier else 0)
        self.tokens = AccessTokens(
            port=listening.getsockname()[1],
            control=earlier.control if earlier else new_token(),
            view=earlier.view if earlier else new_token(),
        )
        self._server: Server = serve(
            self._connected,
            sock=listening,
            process_request=self._asked,
            subprotocols=[PROTOCOL],
            select_subprotocol=lambda _connection, _offered: PROTOCOL,
            compression=None,
            max_size=2 * 1024 * 1024,
            server_header=None,
            logger=_SILENT,
        )
        # Not the server's own loop: that makes a thread for whoever connects, as many as there are.
        self._acceptor = Acceptor(listening, self._server.handler, most=MAX_CONNECTIONS, name="desktop-proxy")

    @property
    def url(self) -> str:
        return self.tokens.url

    def attach(self, container: str) -> None:
        """Show viewers this container's screen from now on; before, they are told to try again."""
        self._container = container

    def close(self) -> None:
        """Show every viewer out and close the port."""
        self._acceptor.close()
        # What the server made for a loop of its own; it has no way to close them without having run it.
        for name in ("shutdown_watcher", "shutdown_notifier"):
            end = getattr(self._server, name, None)
            if isinstance(end, socket.socket):
                end.close()

    # -- requests ----------------------------------------------------------------------------------

    def _asked(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answers a request; None lets a WebSocket that showed its token in."""
        if request.headers.get("Host") not in self._hosts():
            return _response(http.HTTPStatus.MISDIRECTED_REQUEST)
        path = urlsplit(request.path).path
        if path == "/vnc":
            return self._let_in(request)
        if path == "/check":
            allowed = self._access(request.headers.get("Authorization", "").removeprefix("Bearer "))
            return _response(http.HTTPStatus.NO_CONTENT if allowed else http.HTTPStatus.FORBIDDEN)
        return self._file(path)

    def _hosts(self) -> tuple[str, str]:
        """Another name in the request means that a foreign page had its own name point at this address."""
        return (f"{ADDRESS}:{self.tokens.port}", f"localhost:{self.tokens.port}")

    def _let_in(self, request: Request) -> Response | None:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return _response(http.HTTPStatus.FORBIDDEN)
        if self._access_of(request) is None:
            return _response(http.HTTPStatus.FORBIDDEN)
        if len(self._viewers) >= MAX_VIEWERS:
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE)
        return None

    def _access_of(self, request: Request) -> Access | None:
        offered = [
            word.strip() for line in request.headers.get_all("Sec-WebSocket-Protocol") for word in line.split(",")
        ]
        tokens = [word.removeprefix(TOKEN_PREFIX) for word in offered if word.startswith(TOKEN_PREFIX)]
        return self._access(tokens[0]) if len(tokens) == 1 else None

    def _access(self, token: str) -> Access | None:
        given = token.encode("utf-8", "replace")
        control = hmac.compare_digest(given, self.tokens.control.encode())
        view = hmac.compare_digest(given, self.tokens.view.encode())
        return "control" if control else "view" if view else None

    def _file(self, path: str) -> Response:
        if path in _PAGE:
            return self._served(_PAGE[path], _page(_PAGE[path]).read_bytes())
        if path in _library():
            return self._served(path, _page(path).read_bytes())
        return _response(http.HTTPStatus.NOT_FOUND)

    def _served(self, name: str, data: bytes) -> Response:
        kind = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        own = " ".join(f"ws://{host}" for host in self._hosts())
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
            f"connect-src 'self' {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return _response(
            http.HTTPStatus.OK, data, {"Content-Type": f"{kind}; charset=utf-8", "Content-Security-Policy": policy}
        )

    # -- viewers -----------------------------------------------------------------------------------

    def _connected(self, viewer: ServerConnection) -> None:
        access = self._access_of(viewer.request) if viewer.request else None
        if access is None or not self._container:
            viewer.close(REFUSED if access is None else TRY_AGAIN)
            return
        self._acceptor.admit(viewer.socket)
        with self._lock:
            self._viewers.add(viewer)
        try:
            self._show(viewer, access)
        finally:
            with self._lock:
                self._viewers.discard(viewer)

    def _show(self, viewer: ServerConnection, access: Access) -> None:
        try:
            asked = self._asking.submit(
                self._engine.connect_in,
                self._container,
                container_paths.as_person(self._user, container_paths.CONNECT),
                user=container_paths.ROOT,
            )
            pipe = asked.result()
        except (AgentsRunnerError, RuntimeError):
            viewer.close(BROKEN, "The container cannot be reached.")
            return
        pictures = threading.Thread(target=_pictures, args=(pipe, viewer), name="desktop-viewer", daemon=True)
        pictures.start()
        gate = ViewOnly() if access == "view" else None
        try:
            for message in viewer:
                data = message.encode() if isinstance(message, str) else message
                pipe.write(gate.feed(data) if gate else data)
        except (ConnectionClosed, AgentsRunnerError):
            viewer.close(REFUSED)
        finally:
            pipe.close()
            pictures.join()


def _pictures(pipe: Pipe, viewer: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while data := pipe.read():
            viewer.send(data)
    viewer.close(BROKEN, "The desktop does not answer.")


def _page(path: str) -> Traversable:
    """A file of the page, by its place below the page's folder."""
    return resources.files("agents_runner.desktop").joinpath("page", *path.strip("/").split("/"))


@functools.cache
def _library() -> frozenset[str]:
    """The paths of noVNC's files. They are ours: of what a container holds nothing reaches the person's browser."""
    found: set[str] = set()
    folders = ["/novnc/core", "/novnc/vendor"]
    while folders:
        folder = folders.pop()
        for one in _page(folder).iterdir():
            path = f"{folder}/{one.name}"
            if one.is_dir():
                folders.append(path)
            elif one.name.endswith(".js"):
                found.add(path)
    return frozenset(found)


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback; another port where the one wanted is taken."""
    for number in (port, 0) if port else (0,):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((ADDRESS, number))
            made.listen(64)
        except OSError as error:
            made.close()
            if not number:
                raise StoreError(f"No port for the desktop can be had: {error.strerror}.") from error
            continue
        return made
    raise AssertionError("unreachable")


def _response(status: http.HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None) -> Response:
    fixed = {
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(status.value, status.phrase, Headers({**fixed, **(headers or {})}), body)
