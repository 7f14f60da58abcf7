"""A container registry of one image on loopback: enough of the protocol for an engine to pull from it.

An engine speaks plain HTTP with registries at 127.0.0.0/8, so nothing has to be configured.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import socket
import struct
import subprocess
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def _file_system(image: str) -> bytes:
    box = subprocess.run(["docker", "create", image, "true"], check=True, capture_output=True, text=True)
    try:
        return subprocess.run(["docker", "export", box.stdout.strip()], check=True, capture_output=True).stdout
    finally:
        subprocess.run(["docker", "rm", box.stdout.strip()], check=True, capture_output=True)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Serves what `publish` was given last; `requests` are the paths that were asked for."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.logins: list[str] = []
        """What was sent as a login, "" for nobody."""
        self.stall_after: int | None = None
        """From a layer come so many bytes, then nothing more until `resumed`."""
        self.wants = ""
        """Only who sends this, base64 of `user:password`, is served; "" for anybody."""
        self.reset = False
        """Whether whoever asks for a manifest is cut off."""
        self.stalled = threading.Event()
        self.hung_up = threading.Event()
        """Whoever was made to wait for the rest of a layer does not want it any more."""
        self.resumed = threading.Event()
        """Set: the rest of the layer is sent after all."""
        self.before: Callable[[str], object] = lambda _path: None
        """Called with each path before it is answered; it may wait."""
        self._files: dict[str, tuple[str, bytes]] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                registry.before(self.path)
                registry.logins.append(self.headers.get("Authorization", ""))
                if registry.reset and "/manifests/" in self.path:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                if registry.wants and registry.logins[-1] != f"Basic {registry.wants}":
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="test"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                found = registry._find(self.path)
                self.send_response(200 if found else 404)
                kind, data = found or ("application/json", b"{}")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Docker-Content-Digest", digest_of(data))
                self.end_headers()
                if self.command != "GET":
                    return
                if registry.stall_after is not None and kind == _LAYER:
                    self.wfile.write(data[: registry.stall_after])
                    registry.stalled.set()
                    self.connection.settimeout(60)
                    registry.resumed.wait(60)
                    with contextlib.suppress(OSError):
                        self.wfile.write(data[registry.stall_after :])
                        return
                    registry.hung_up.set()
                    return
                # Who asked may have gone.
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def _find(self, path: str) -> tuple[str, bytes] | None:
        if path in ("/v2/", "/v2"):
            return "application/json", b"{}"
        return self._files.get(path)

    def publish(self, name: str, tag: str, image: str, extra: dict[str, bytes]) -> str:
        """The file system of a local image ("" for none) with `extra` files, as `name:tag`; gives its reference."""
        return self._publish(name, tag, _file_system(image) if image else b"", extra)

    def _publish(self, name: str, tag: str, files: bytes, extra: dict[str, bytes]) -> str:
        buffer = io.BytesIO(files)
        with tarfile.open(fileobj=buffer, mode="a" if files else "w") as tar:
            for path, data in extra.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        plain = buffer.getvalue()
        layer = gzip.compress(plain, compresslevel=1, mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Cmd": ["/bin/sh"],
                    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"],
                },
                "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "size": len(config), "digest": digest_of(config)},
                "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": digest_of(layer)}],
            }
        ).encode()
        for kind, data in ((_CONFIG, config), (_LAYER, layer)):
            self._files[f"/v2/{name}/blobs/{digest_of(data)}"] = (kind, data)
        for word in (tag, digest_of(manifest)):
            self._files[f"/v2/{name}/manifests/{word}"] = (_MANIFEST, manifest)
        return f"{self.address}/{name}:{tag}"

    def close(self) -> None:
        self.resumed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
