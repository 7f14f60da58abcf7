"""A folder served over HTTP with what caches go by (dates, 304, max-age); counts what was really sent."""

from __future__ import annotations

import ipaddress
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Mirror:
    """Reachable from containers on the default bridge at `url`; `sent` is path to bytes since the last `forget`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: dict[str, int] = {}
        self.asked: list[str] = []
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def end_headers(self) -> None:
                self.send_header("Cache-Control", "max-age=3600")
                super().end_headers()

            def send_head(self) -> Any:
                mirror.asked.append(self.path)
                return super().send_head()

            def copyfile(self, source: Any, outputfile: Any) -> None:
                data = source.read()
                mirror.sent[self.path] = mirror.sent.get(self.path, 0) + len(data)
                outputfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("0.0.0.0", 0), partial(Handler, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        template = "{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}"
        found = subprocess.run(
            ["docker", "network", "inspect", "bridge", "-f", template], check=True, capture_output=True, text=True
        )
        subnet, *gateway = found.stdout.split()
        # An engine at its very first start does not say the gateway: it is the subnet's first address.
        self.host = gateway[0] if gateway else str(ipaddress.ip_network(subnet)[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._server.server_address[1]}"

    def forget(self) -> None:
        self.sent.clear()
        self.asked.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
