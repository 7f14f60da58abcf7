"""What opens a task's desktop: a port of this machine and two tokens, and the addresses made of them."""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import asdict, dataclass
from typing import Literal

Access = Literal["control", "view"]
ADDRESS = "127.0.0.1"
_PATIENCE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class AccessTokens:
    """Where a proxy is and what opens it; kept so that it can be opened again at the same place."""

    port: int
    control: str
    view: str

    @property
    def url(self) -> str:
        """The address without a token: it shows no picture."""
        return f"http://{ADDRESS}:{self.port}/"

    def address(self, access: Access = "control") -> str:
        """The address to open in a browser; its fragment holds the token."""
        return f"{self.url}#token={self.control}" if access == "control" else f"{self.url}#token={self.view}&view=1"

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes | None) -> AccessTokens | None:
        """The tokens that `to_json` wrote; None for anything else."""
        try:
            found = json.loads(data or b"")
            return cls(port=int(found["port"]), control=str(found["control"]), view=str(found["view"]))
        except (ValueError, TypeError, KeyError):
            return None


def new_token() -> str:
    """192 random bits in URL-safe text."""
    return secrets.token_urlsafe(24)


def answers(port: int) -> bool:
    """True if something listens on the proxy's port."""
    try:
        with socket.create_connection((ADDRESS, port), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False
