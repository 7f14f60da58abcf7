"""A pull: a call that can be cut at any time and is given up when nothing comes, its layers' progress added up."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import docker.errors
import requests
import urllib3.exceptions
from docker.utils import parse_repository_tag
from docker.utils.json_stream import json_stream

from agents_runner.core.errors import EngineRefused, EngineTimeout, ImageMissing, NoSpace
from agents_runner.engine.credentials import login_header
from agents_runner.engine.port import PullProgress

SILENCE_S = 120.0
"""Seconds without a word from the engine after which a pull counts as stalled; docker-py itself waits for ever."""
_HINT = "Check the name and the network; for a private registry log in with `docker login` first."
_READ = 65536


class PullCall:
    """One request to pull, on a connection of its own: `close` ends it, and with it the pull, from any thread.

    A registry that accepts a connection and then says nothing keeps the engine from answering at all, so the
    connection must be at hand before the answer is.
    """

    def __init__(self, client: Any, ref: str, platform: str, silence_s: float) -> None:
        self._client = client  # a docker.APIClient; what is used of it here has no types
        self._ref = ref
        self._platform = platform
        self._silence_s = silence_s
        self._connection: Any = None
        self._closed = False
        self.trouble = ""
        """What was wrong with the login, if anything."""

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """What the engine says, a JSON value each. Raises EngineTimeout after the time of silence."""
        client = self._client
        repository, tag = parse_repository_tag(self._ref)
        params = {"fromImage": repository, "tag": tag or "latest"}
        if self._platform:
            params["platform"] = self._platform
        headers, self.trouble = login_header(client, self._ref)
        made = requests.Request("POST", client._url("/images/create"), params=params, headers=headers)
        request = client.prepare_request(made)
        adapter = client.get_adapter(request.url)
        pool = adapter.get_connection_with_tls_context(request, client.verify, cert=client.cert)
        connection = pool._new_conn()
        connection.timeout = self._silence_s
        self._connection = connection
        if self._closed:
            return
        target = adapter.request_url(request, None)
        try:
            connection.request(
                "POST", target, headers=dict(request.headers), preload_content=False, decode_content=False
            )
            raw = connection.getresponse()
            client._raise_for_status(adapter.build_response(request, raw))
            yield from cast("Iterator[Mapping[str, Any]]", json_stream(raw.stream(_READ)))
        except docker.errors.APIError as error:
            raise _error(str(error.explanation or error).strip(), self._ref, self.trouble) from error
        except (TimeoutError, urllib3.exceptions.TimeoutError, requests.exceptions.Timeout) as error:
            raise EngineTimeout(
                f"Nothing came for {self._silence_s:g} s while {self._ref} was pulled.",
                "The registry or the network may be stuck; try again.",
            ) from error
        finally:
            self.close()

    def close(self) -> None:
        self._closed = True
        connection = self._connection
        if connection is None:
            return
        # Without the shutdown a thread that reads would go on waiting.
        raw = connection.sock
        with contextlib.suppress(OSError, AttributeError):
            raw.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            connection.close()


def pull_progress(
    lines: Iterable[Mapping[str, Any] | None], ref: str, trouble: Callable[[], str] = str
) -> Iterator[PullProgress]:
    """Yields at least every tick (an empty `text` then); raises what an error line says.

    `trouble` tells what was wrong with the login; it is added to a refusal.
    """
    layers: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line is None:
            yield PullProgress(text="")
            continue
        if "error" in line:
            raise _error(str(line["error"]), ref, trouble())
        detail = line.get("progressDetail") or {}
        if line.get("id") and detail.get("total"):
            layers[str(line["id"])] = (int(detail.get("current") or 0), int(detail["total"]))
        yield PullProgress(
            text=str(line.get("status") or ""),
            done=sum(done for done, _ in layers.values()),
            total=sum(total for _, total in layers.values()),
        )


def _error(text: str, ref: str, trouble: str) -> ImageMissing | NoSpace | EngineRefused:
    lowered = text.lower()
    if "no space left" in lowered:
        return NoSpace(f"The engine's disk is full (pull {ref}).", "Free some space first.")
    said = f"The image {ref} cannot be pulled: {text.rstrip('.')}."
    hint = f"{_HINT} ({trouble})" if trouble else _HINT
    if any(word in lowered for word in ("not found", "manifest unknown", "does not exist", "denied", "unauthorized")):
        return ImageMissing(said, hint)
    return EngineRefused(said, hint)
