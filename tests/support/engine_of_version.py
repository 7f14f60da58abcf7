"""An engine that is only its words: it says which API versions it speaks, keeps to them, and answers in kind."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ID = "c" * 64
IMAGE = "sha256:" + "a" * 64
LOG = b"\x01\0\0\0\0\0\0\x06hello\n"
"""What its container prints: one frame."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class EngineOfVersion:
    """Speaks `oldest` to `newest`; leaves out what engines after 28 leave out. `versions` were asked in."""

    def __init__(self, folder: Path, *, oldest: str, newest: str) -> None:
        self.host = f"unix://{folder}/engine.sock"
        self.versions: set[str] = set()
        self._range = (oldest, newest)
        self._status = ""
        self._labels: dict[str, str] = {}
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = engine._answer(self.command, self.path, json.loads(data) if data else {})
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if isinstance(body, bytes):
                    self.send_header("Content-Type", "application/vnd.docker.raw-stream")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(raw), raw))
                    return
                raw = b"" if status == 204 else raw
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_DELETE(self) -> None:
                self._serve()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(f"{folder}/engine.sock", Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> EngineOfVersion:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        path = urlsplit(target).path
        oldest, newest = self._range
        if path == "/version":
            return 200, {
                "ApiVersion": newest,
                "MinAPIVersion": oldest,
                "Version": "99",
                "Os": "linux",
                "Arch": "amd64",
            }
        found = re.fullmatch(r"/v([\d.]+)(/.*)", path)
        if found is None:
            return 404, {"message": "page not found"}
        version, path = found.groups()
        self.versions.add(version)
        if not _numbers(oldest) <= _numbers(version) <= _numbers(newest):
            which = "old" if _numbers(version) < _numbers(oldest) else "new"
            return 400, {"message": f"client version {version} is too {which}. API versions: {oldest} to {newest}"}
        return self._do(method, path, parse_qs(urlsplit(target).query), body)

    def _do(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        image = {
            "Id": IMAGE,
            "RepoTags": ["base:1"],
            "Os": "linux",
            "Architecture": "amd64",
            "Config": {"Cmd": ["sh"]},
        }
        match method, path:
            case "GET", "/version":
                return 200, {"ApiVersion": self._range[1], "Version": "99", "Os": "linux", "Arch": "amd64"}
            case "GET", "/info":
                return 200, {"OSType": "linux", "Architecture": "x86_64", "ServerVersion": "99", "NCPU": 2}
            case "GET", "/images/json":
                return 200, [{"Id": IMAGE, "RepoTags": ["base:1"], "Created": 1, "Size": 5}]
            case "GET", "/images/base:1/json":
                return 200, image
            case "POST", "/containers/create":
                self._status, self._labels = "created", body["Labels"]
                return 201, {"Id": ID, "Warnings": []}
            case "POST", p if p == f"/containers/{ID}/start":
                self._status = "exited"
                return 204, {}
            case "GET", p if p == f"/containers/{ID}/logs":
                return 200, LOG
            case "GET", p if p == f"/containers/{ID}/json" and self._status:
                state = {"Status": self._status, "Running": False, "ExitCode": 3}
                settings = {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}, "Ports": {}}
                return 200, {
                    "Id": ID, "Name": "/box", "Image": IMAGE, "State": state, "Config": {"Labels": self._labels},
                    "NetworkSettings": settings,
                }  # fmt: skip
            case "GET", "/containers/json":
                return 200, [{"Id": ID, "Names": ["/box"], "State": "exited", "Labels": self._labels}]
            case "POST", "/commit":
                assert query["container"] == [ID]
                return 201, {"Id": IMAGE}
            case "POST", p if p == f"/images/{IMAGE}/tag":
                return 201, {}
            case "DELETE", "/images/base:1":
                return 200, [{"Untagged": "base:1"}]
            case "DELETE", p if p == f"/containers/{ID}":
                self._status = ""
                return 204, {}
        return 404, {"message": f"No such {'image' if path.startswith('/images') else 'container'}: {path}"}
