"""Rules for published ports: loopback only, unless a person typed another address on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agents_runner.core.errors import InvalidInput

FIELD = "ports"
_PORT = re.compile(
    r"(?:(?P<address>\[[^\]]+\]|[0-9]+(?:\.[0-9]+)+|localhost):)?(?:(?P<host>[0-9]+):)?(?P<container>[0-9]+)(?:/(?P<protocol>tcp|udp))?\Z"
)
_LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "[::1]": "::1"}


@dataclass(frozen=True, kw_only=True)
class Port:
    """`container` port published at `address`:`host`; `host` 0 lets the engine choose a free one."""

    container: int
    host: int
    address: str = "127.0.0.1"
    protocol: str = "tcp"


def parse_port(text: str) -> Port:
    """`[ADDRESS:][HOST:]CONTAINER[/udp]`; without HOST the same number is asked for on the host."""
    match = _PORT.match(text.strip())
    if not match:
        raise InvalidInput(f"{text!r} is not a port.", "Write 3000, 8080:3000 or 127.0.0.1:8080:3000.", field=FIELD)
    address = match["address"] or "127.0.0.1"
    if address not in _LOOPBACK:
        raise InvalidInput(
            f"Port {text.strip()} would be open to other machines.",
            "Ports are published on 127.0.0.1 or [::1] only.",
            field=FIELD,
        )
    container = int(match["container"])
    host = int(match["host"]) if match["host"] is not None else container
    if not 1 <= container <= 65535 or not 0 <= host <= 65535:
        raise InvalidInput(f"{text.strip()} is outside the ports 1 to 65535.", "Choose another number.", field=FIELD)
    return Port(container=container, host=host, address=_LOOPBACK[address], protocol=match["protocol"] or "tcp")


def parse_ports(texts: Iterable[str]) -> tuple[Port, ...]:
    """Parse all; the same host or container port twice is refused."""
    ports: list[Port] = []
    hosts: set[tuple[str, int, str]] = set()
    inner: set[tuple[int, str]] = set()
    for text in texts:
        port = parse_port(text)
        host_key = (port.address, port.host, port.protocol)
        if (port.host and host_key in hosts) or (port.container, port.protocol) in inner:
            raise InvalidInput(f"Port {text.strip()} is published twice.", "Keep one of them.", field=FIELD)
        hosts.add(host_key)
        inner.add((port.container, port.protocol))
        ports.append(port)
    return tuple(ports)
