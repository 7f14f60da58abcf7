"""Foreign exceptions end here: whatever docker-py raises becomes one of our errors."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Iterator

import docker.errors
import requests.exceptions
import urllib3.exceptions

from agents_runner.core import errors

START_HINT = "Start Docker (`sudo systemctl start docker`, or open Docker Desktop) and try again."
_PULL_HINT = "Check the name and the network; for a private registry log in with `docker login` first."
_NOT_CONNECTED = (
    ConnectionRefusedError,
    FileNotFoundError,
    socket.gaierror,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
_BROKEN = (ConnectionError, urllib3.exceptions.ProtocolError, http.client.HTTPException)
# Status (0: any), what the text holds, which error, its sentence, its hint.
_RULES: tuple[tuple[int, re.Pattern[str], type[errors.EngineError], str, str], ...] = (
    (
        0,
        re.compile(r'exec: \\?"?/bin/sh'),
        errors.EngineRefused,
        "The image has no /bin/sh, so nothing can be started in it.",
        "Choose a base image with a shell.",
    ),
    (
        0,
        re.compile(r"no space left on device|disk quota exceeded", re.I),
        errors.NoSpace,
        "The engine's disk is full ({what}).",
        "Free some space, for example with Clean cached images.",
    ),
    (
        409,
        re.compile(r"is already in use by container", re.I),
        errors.NameInUse,
        "The container name is taken ({what}): {text}.",
        "",
    ),
    (
        0,  # the engine's own words, or those of what it makes the network's end with
        re.compile(r"network \S+ not found|failed to get network during CreateEndpoint", re.I),
        errors.NetworkMissing,
        "The network is gone ({what}): {text}.",
        "It was removed from outside.",
    ),
    (
        0,
        re.compile(r"available, non-overlapping IPv4 address pool|address pools have been fully subnetted", re.I),
        errors.NoAddresses,
        "The engine has no address range left for a network ({what}).",
        "Remove networks that nothing uses: docker network prune.",
    ),
    (
        404,
        re.compile(r"no such image|manifest|repository", re.I),
        errors.ImageMissing,
        "The image is not there ({what}): {text}.",
        _PULL_HINT,
    ),
    (
        404,
        re.compile(r"no such container", re.I),
        errors.ContainerMissing,
        "The container is gone ({what}).",
        "It was removed from outside.",
    ),
    (
        0,
        re.compile(r"port is already allocated|address already in use|ports are not available", re.I),
        errors.PortInUse,
        "A port is taken ({what}): {text}.",
        "Choose another host port.",
    ),
    (
        0,
        re.compile(r"bind source path does not exist|invalid mount config|mounts? denied|not shared from", re.I),
        errors.MountRefused,
        "A mount was refused ({what}): {text}.",
        "Check the mount's source.",
    ),
)


def refused(error: docker.errors.APIError, what: str) -> errors.EngineError:
    """The engine answered with an error status: which of ours it is."""
    text = str(error.explanation or error).strip().rstrip(".")
    for status, pattern, kind, sentence, hint in _RULES:
        if status in (0, error.status_code) and pattern.search(text):
            return kind(sentence.format(what=what, text=text), hint)
    return errors.EngineRefused(f"The engine refused ({what}): {text}.")


def unreachable(error: BaseException, what: str, endpoint: str) -> errors.EngineError:
    """No answer: no permission, nobody there, or it went away."""
    text = str(error)
    where = endpoint or "the default address"
    if "Permission denied" in text:
        return errors.EngineDenied(
            f"No permission to use the Docker engine at {where}.",
            "Add yourself to its group with `sudo usermod -aG docker $USER`, then log out and in again.",
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        return errors.EngineTimeout(f"The engine at {where} did not answer in time ({what}).", "Try again.")
    if "certificate" in text.lower() or "ssl" in text.lower():
        return errors.EngineUnreachable(
            f"The engine at {where} cannot be trusted: {text[:200]}.",
            "Check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, or the context's certificates.",
        )
    if not _never_sent(error):
        return errors.AnswerLost(f"The connection to the engine at {where} broke off ({what}).", START_HINT)
    return errors.EngineUnreachable(f"No Docker engine answers at {where}.", START_HINT)


def _never_sent(error: BaseException) -> bool:
    """False if the engine may have got the question: then it may have done what was asked."""
    todo: list[object] = [error]
    seen: list[object] = []
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        if isinstance(one, _NOT_CONNECTED):
            return True
        seen.append(one)
        todo += [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]
    return not any(isinstance(one, _BROKEN) for one in seen)


@contextlib.contextmanager
def mapped(what: str, endpoint: str = "") -> Iterator[None]:
    """Run a docker-py call; `what` says in a few words what was asked."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refused(error, what) from error
    except docker.errors.DockerException as error:
        raise from_docker(error, what, endpoint) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise unreachable(error, what, endpoint) from error


def from_docker(error: docker.errors.DockerException, what: str, endpoint: str) -> errors.EngineError:
    """docker-py's own complaints, made before or beside a question to the engine, as ours."""
    text = str(error)
    if "API version" in text or "version is not supported" in text:
        return errors.EngineTooOld(f"The engine is too old: {text}", "Install Docker 20.10 or newer.")
    if isinstance(error, docker.errors.TLSParameterError):
        return errors.EngineUnreachable(
            f"The certificates for {endpoint} cannot be used: {text.splitlines()[0]}.",
            "Check DOCKER_CERT_PATH, or the context's certificates.",
        )
    return unreachable(error, what, endpoint)
