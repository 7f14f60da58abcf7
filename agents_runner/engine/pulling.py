"""A pull: a request that can be ended at any moment, and the engine's lines for each layer, added up."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, cast

import docker
import requests
import urllib3.connection
import urllib3.exceptions

from agents_runner.core.errors import AnswerLost, EngineRefused, EngineTimeout, ImageMissing, NoSpace
from agents_runner.engine.credentials import Login
from agents_runner.engine.port import PullProgress

SILENCE_S = 60.0
"""How long a pull may stand still, in seconds, before it is ended."""
_HINT = "Check the name and the network; for a private registry log in with `docker login` first."
_READ = 65536


class PullCall:
    """One request to pull, with a client of its own: the engine ends the pull when its connection goes."""

    def __init__(self, client: docker.APIClient, params: Mapping[str, str], login: Callable[[], Login]) -> None:
        self._client: Any = client
        self._params = dict(params)
        self._login = login
        self._closed = threading.Event()
        self._connections: list[urllib3.connection.HTTPConnection] = []
        self._note_connections()

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """The engine's lines, to the end of the pull. Raises what docker-py and urllib3 raise."""
        login = self._login()
        if login.trouble:
            yield {"status": login.trouble}
        if self._closed.is_set():
            return
        response = cast(
            "requests.Response",
            self._client._post(
                self._client._url("/images/create"),
                params=self._params,
                headers=login.headers(),
                stream=True,
                timeout=None,
            ),
        )
        self._client._raise_for_status(response)
        rest = b""
        for data in response.raw.stream(_READ, decode_content=False):
            *whole, rest = (rest + data).split(b"\n")
            yield from (json.loads(line) for line in whole if line.strip())
        if rest.strip():
            yield json.loads(rest)

    def close(self) -> None:
        """End it, from any thread, whether the engine has answered already or not."""
        self._closed.set()
        for connection in self._connections:
            raw = connection.sock
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def _note_connections(self) -> None:
        # Until the head of its answer is there nobody else knows the connection of a request.
        adapter = self._client.get_adapter(self._client.base_url)
        pool_of = adapter.get_connection_with_tls_context

        def noted_pool(*args: Any, **words: Any) -> Any:
            pool = pool_of(*args, **words)
            make = pool._new_conn

            def noted() -> urllib3.connection.HTTPConnection:
                made = cast("urllib3.connection.HTTPConnection", make())
                self._connections.append(made)
                return made

            pool._new_conn = noted
            return pool

        adapter.get_connection_with_tls_context = noted_pool


def pull_progress(
    lines: Iterable[Mapping[str, Any] | None], ref: str, silence_s: float = SILENCE_S
) -> Generator[PullProgress, None, None]:
    """Yields at least every tick (an empty `text` then); raises what an error line says.

    Raises EngineTimeout after `silence_s` seconds in which nothing moved, and AnswerLost for a broken connection.
    """
    layers: dict[str, tuple[int, int]] = {}
    last: dict[str, tuple[str, int]] = {}
    moved = time.monotonic()
    try:
        for line in lines:
            now = time.monotonic()
            if line is not None and "error" in line:
                raise _error(str(line["error"]), ref)
            if line is None or not _moves(line, last):
                if now - moved >= silence_s:
                    raise EngineTimeout(
                        f"The pull of {ref} stood still for {silence_s:g} s.",
                        "Check the network and the registry, then run the task again.",
                    )
                yield PullProgress(text="")
                continue
            moved = now
            detail = line.get("progressDetail") or {}
            if line.get("id") and detail.get("total"):
                layers[str(line["id"])] = (int(detail.get("current") or 0), int(detail["total"]))
            yield PullProgress(
                text=str(line.get("status") or ""),
                done=sum(done for done, _ in layers.values()),
                total=sum(total for _, total in layers.values()),
            )
    except urllib3.exceptions.HTTPError as error:
        raise AnswerLost(
            f"The connection to the engine broke off in the pull of {ref}.", "Run the task again."
        ) from error


def _moves(line: Mapping[str, Any], last: dict[str, tuple[str, int]]) -> bool:
    """False for a line that only repeats how far a layer is: some engines do so while nothing comes."""
    name = str(line.get("id") or "")
    said = (str(line.get("status") or ""), int((line.get("progressDetail") or {}).get("current") or 0))
    if name and last.get(name) == said:
        return False
    last[name] = said
    return True


def _error(text: str, ref: str) -> ImageMissing | NoSpace | EngineRefused:
    lowered = text.lower()
    if "no space left" in lowered:
        return NoSpace(f"The engine's disk is full (pull {ref}).", "Free some space first.")
    if any(word in lowered for word in ("not found", "manifest unknown", "does not exist", "denied")):
        return ImageMissing(f"The image {ref} cannot be pulled: {text.rstrip('.')}.", _HINT)
    return EngineRefused(f"The image {ref} cannot be pulled: {text.rstrip('.')}.", _HINT)
