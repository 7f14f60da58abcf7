"""The real engine: docker-py behind the port, one client a thread, each call with the time it needs."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import docker
import docker.errors
import requests
from docker.utils import parse_repository_tag

from agents_runner.core.container import (
    CONTAINER_NONCE,
    IMAGE_NONCE,
    CommitSpec,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ImageInfo,
    NetworkInfo,
    VolumeInfo,
)
from agents_runner.core.errors import (
    AnswerLost,
    ContainerMissing,
    EngineRefused,
    EngineTimeout,
    EngineTooNew,
    EngineTooOld,
    EngineUnreachable,
    FileRefused,
    ImageMissing,
)
from agents_runner.engine import archive, facts, retry
from agents_runner.engine.configuration import api_client
from agents_runner.engine.credentials import HELPER_S, login_for
from agents_runner.engine.endpoint import Endpoint, resolve
from agents_runner.engine.mapping import mapped
from agents_runner.engine.payload import commit_config, container_config
from agents_runner.engine.pipe import ExecPipe, collected
from agents_runner.engine.port import MAX_FILE, Attached, Chunk, LogStream, Pipe, PullProgress, Ran
from agents_runner.engine.pulling import SILENCE_S, PullCall, pull_progress
from agents_runner.engine.streams import SEND_S, FrameParser, ResponseStream, SocketStream, is_chunked
from agents_runner.engine.ticks import with_ticks
from agents_runner.engine.tunnel import SshTunnel

CONTROL_TIMEOUT_S = 120
LONG_TIMEOUT_S = 3600
LOOK_TIMEOUT_S = 20
LOOKS = 6
"""An engine that is slow has as long for a look as for anything else, on a new connection each time."""
FOLLOW_TIMEOUT_S = LOOK_TIMEOUT_S
FILE_TIMEOUT_S = 30.0
OLDEST_API = (1, 41)
NEWEST_API = "1.52"
"""What is tested; a newer engine is asked in these words."""
_WAIT_STEP_S = 0.05
_POOLS = 2


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds that a pull may stand still, and that a credential helper may take."""

    pull_s: float = SILENCE_S
    helper_s: float = HELPER_S


PATIENCE = Patience()


class DockerEngine:
    """See `engine.port.Engine`. Safe to share between threads: each gets its own client."""

    def __init__(self, endpoint: Endpoint, patience: Patience = PATIENCE) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._tunnel = SshTunnel(endpoint.url) if endpoint.ssh else None
        self._url = self._tunnel.url if self._tunnel else endpoint.url
        self._local = threading.local()
        self._clients: list[docker.APIClient] = []
        self._lock = threading.Lock()
        self._lost = 0
        self._version = ""
        self._info: EngineInfo | None = None

    # -- clients ---------------------------------------------------------------------------------

    def _client(self, timeout: int = CONTROL_TIMEOUT_S) -> Any:
        """This thread's client; types end here, docker-py has none for what it returns."""
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._new_client()
            self._local.client = client
        client.timeout = timeout
        return client

    def _new_client(self) -> docker.APIClient:
        with mapped("connect", self._endpoint.url):
            if not self._version:
                self._version = self._negotiate()
            client = self._api(self._version)
        with self._lock:
            self._clients.append(client)
        return client

    def _api(self, version: str) -> docker.APIClient:
        client = api_client(
            self._url,
            version,
            timeout=CONTROL_TIMEOUT_S,
            tls=self._endpoint.tls or False,
            max_pool_size=4,
        )
        # The machine's REQUESTS_CA_BUNDLE would push the engine's own certificates aside.
        client.trust_env = False
        _keep_few_pools(client)
        return client

    def _negotiate(self) -> str:
        probe = self._api("1.41")
        try:
            said = probe.version(api_version=False)
        finally:
            probe.close()
        offered = str(said.get("ApiVersion") or "0")
        floor = str(said.get("MinAPIVersion") or "0")
        numbers = _numbers(offered)
        if numbers < OLDEST_API:
            raise EngineTooOld(
                f"The engine at {self._endpoint.url} speaks API {offered}; 1.41 or newer is needed.",
                "Install Docker 20.10 or newer.",
            )
        newest = _numbers(NEWEST_API)
        if _numbers(floor) > newest:
            raise EngineTooNew(
                f"The engine at {self._endpoint.url} speaks API {floor} or newer; {NEWEST_API} is the newest known.",
                "Install a newer Agents Runner, or set the engine's min-api-version lower.",
            )
        return min((numbers, offered), (newest, NEWEST_API))[1]

    @contextlib.contextmanager
    def _call(self, what: str, timeout: int = CONTROL_TIMEOUT_S) -> Iterator[Any]:
        try:
            client = self._client(timeout)
            with mapped(what, self._endpoint.url):
                yield client
        except EngineUnreachable:
            self._lost += 1
            raise

    def lost_answers(self) -> int:
        return self._lost

    def _asked(
        self,
        what: str,
        act: Callable[[Any], Any],
        pauses: tuple[float, ...] = retry.QUICK,
        timeout: int = CONTROL_TIMEOUT_S,
    ) -> Any:
        """What may be done twice without harm: once more where the answer was lost."""

        def once() -> Any:
            with self._call(what, timeout) as client:
                return act(client)

        return retry.repeated(once, pauses)

    def info(self) -> EngineInfo:
        if self._info is None:
            said = self._asked("engine info", lambda client: client.info())
            version = self._asked("engine info", lambda client: client.version())
            self._info = facts.engine_info(said, version, self._endpoint.url, local=self._endpoint.local)
        return self._info

    def clock(self) -> float:
        said = self._asked("ask for the engine's time", lambda client: client.info())
        return facts.seconds(str(said.get("SystemTime") or "")) or time.time()

    # -- images ----------------------------------------------------------------------------------

    def find_image(self, ref: str) -> ImageInfo | None:
        try:
            return facts.image_info(self._asked("look up an image", lambda client: client.inspect_image(ref)))
        except ImageMissing:
            return None

    def list_images(self, labels: Mapping[str, str] | None = None) -> list[ImageInfo]:
        filters = _with_labels(labels or {})
        found = self._asked("list images", lambda client: client.images(filters=filters))
        return [facts.image_summary(entry) for entry in found]

    def pull(self, ref: str, platform: str = "") -> Generator[PullProgress, None, None]:
        name, tag = parse_repository_tag(ref)
        params = {"fromImage": name, "tag": tag or "latest"} | ({"platform": platform} if platform else {})
        with self._call("pull"):
            call = PullCall(self._api(self._version), params, lambda: login_for(ref, self._patience.helper_s))
            with contextlib.closing(with_ticks(call.lines(), call.close)) as lines:
                yield from pull_progress(lines, ref, self._patience.pull_s)

    def remote_digest(self, ref: str) -> str:
        login = login_for(ref, self._patience.helper_s)
        with self._call("ask a registry") as client:
            said = client.inspect_distribution(ref, auth_config=dict(login.values))
        return str((said.get("Descriptor") or {}).get("digest") or "")

    def import_image(self, tar: Iterator[bytes], ref: str, changes: Sequence[str] = ()) -> str:
        repository, _, tag = ref.rpartition(":")
        with self._call("import an image", LONG_TIMEOUT_S) as client:
            client.import_image_from_data(b"".join(tar), repository=repository, tag=tag, changes=list(changes))
            found = client.inspect_image(ref)
        return str(found["Id"])

    def tag(self, image_id: str, ref: str) -> None:
        repository, _, tag = ref.rpartition(":")
        self._asked("tag an image", lambda client: client.tag(image_id, repository, tag), retry.PATIENT)

    def remove_tag(self, ref: str) -> None:
        with self._call(f"remove {ref}") as client:
            client.remove_image(ref, force=False, noprune=True)

    # -- containers ------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        nonce = retry.new_nonce()
        marked = replace(spec, labels={**spec.labels, CONTAINER_NONCE: nonce})
        config = container_config(marked, userns_host=self._info.userns if self._info else False)

        def once() -> str:
            with self._call("create a container") as client:
                return str(client.create_container_from_config(config, spec.name, spec.platform or None)["Id"])

        return retry.create_once(once, lambda: self.inspect(spec.name), nonce)

    def start(self, container: str) -> None:
        def once() -> None:
            with self._call("start a container", LONG_TIMEOUT_S) as client:
                client.start(container)

        retry.start_once(once, lambda: self.inspect(container))

    def attach(self, container: str, *, stdin: bool = False) -> Attached:
        wanted = {"stdout": 1, "stderr": 1, "stream": 1} | ({"stdin": 1} if stdin else {})
        raw = self._asked("attach to a container", lambda client: client.attach_socket(container, wanted))
        return SocketStream(cast("socket.socket", getattr(raw, "_sock", raw)), raw)

    def send(self, container: str, data: bytes) -> None:
        wanted = {"stdin": 1, "stream": 1}
        try:
            raw = self._asked("send to a container", lambda client: client.attach_socket(container, wanted))
        except EngineRefused as error:
            if "stopped container" not in error.message:
                raise
            return
        sock = cast("socket.socket", getattr(raw, "_sock", raw))
        try:
            sock.settimeout(SEND_S)
            sock.sendall(data)
        except OSError as error:
            self._lost += 1
            raise AnswerLost("The connection to the engine broke off (send to a container).") from error
        finally:
            for one in (raw, sock):
                one.close()

    def follow(self, container: str, skip: Mapping[str, int] | None = None) -> LogStream:
        with self._call("read a container's log") as client:
            response = _log(client, container, FOLLOW_TIMEOUT_S, follow=1, tail="all")
            # The log may be silent for as long as it likes, only not before its first word.
            client._disable_socket_timeout(client._get_raw_response_socket(response))
        return ResponseStream(response, skip or {})

    def last_output(self, container: str, lines: int) -> Sequence[Chunk] | None:
        with self._call("read a container's log") as client, _log(client, container, tail=lines) as response:
            data = response.content
            return tuple(FrameParser().feed(data)) if is_chunked(response) else None

    def inspect(self, container: str) -> ContainerState | None:
        try:
            return facts.container_state(self._looked_at(container))
        except ContainerMissing:
            return None

    def _looked_at(self, container: str) -> Any:
        """Asked anew where no answer comes: a connection that died silently must not hide a container's end."""

        def look() -> Any:
            return self._asked(
                "inspect a container", lambda client: client.inspect_container(container), timeout=LOOK_TIMEOUT_S
            )

        for _ in range(LOOKS - 1):
            with contextlib.suppress(EngineTimeout):
                return look()
        return look()

    def list_containers(self, labels: Mapping[str, str], *, running_only: bool = False) -> list[ContainerState]:
        filters = _with_labels(labels)
        found = self._asked(
            "list containers", lambda client: client.containers(all=not running_only, filters=filters)
        )
        return [facts.container_summary(entry) for entry in found]

    def wait(self, container: str, timeout: float | None = None) -> ContainerState:
        """Asked for in short steps: the engine's own wait has no end that one could set."""
        deadline = None if timeout is None else time.monotonic() + timeout
        step = 0.005
        while True:
            state = self.inspect(container)
            if state is None:
                raise ContainerMissing(f"The container {container} is gone.", "It was removed from outside.")
            if state.ended:
                return state
            if deadline is not None and time.monotonic() >= deadline:
                raise EngineTimeout(f"The container {state.name} has not ended within {timeout:g} s.")
            time.sleep(step)
            step = min(step * 2, _WAIT_STEP_S)

    def stop(self, container: str, grace: float = 5.0) -> None:
        self._quietly("stop a container", lambda client: client.stop(container, timeout=max(0, round(grace))))

    def remove(self, container: str) -> None:
        self._quietly("remove a container", lambda client: client.remove_container(container, v=True, force=True))

    def _quietly(self, what: str, act: Callable[[Any], object]) -> None:
        """Do it; that the container is gone, has ended or is going already is what was wanted."""
        try:
            self._asked(what, act, retry.PATIENT, LONG_TIMEOUT_S)
        except ContainerMissing:
            return
        except EngineRefused as error:
            if "is not running" not in error.message and "already in progress" not in error.message:
                raise

    def commit(self, container: str, spec: CommitSpec) -> str:
        mark = {IMAGE_NONCE: retry.new_nonce()}
        conf = commit_config(replace(spec, labels={**spec.labels, **mark}))

        def once() -> str:
            with self._call("commit a layer", LONG_TIMEOUT_S) as client:
                made = client.commit(container, message=spec.message or None, conf=conf, pause=False)
            return str(made["Id"])

        return retry.commit_once(once, lambda: [image.id for image in self.list_images(mark)], self.remove_tag)

    def written_bytes(self, container: str) -> int:
        def ask(client: Any) -> Any:
            url = client._url("/containers/{0}/json", container)
            return client._result(client._get(url, params={"size": 1}), json=True)

        return int(self._asked("measure a container", ask).get("SizeRw") or 0)

    def put_file(self, container: str, path: str, data: bytes, *, mode: int = 0o644) -> None:
        packed = archive.one_file(path, data, mode)
        self._asked("write into a container", lambda client: client.put_archive(container, "/", packed))

    def put_tree(self, container: str, path: str, files: Mapping[str, bytes], *, uid: int = 0, gid: int = 0) -> None:
        packed = archive.tree(files, uid=uid, gid=gid)
        self._asked("write into a container", lambda client: client.put_archive(container, path, packed))

    def get_file(self, container: str, path: str, *, limit: int = MAX_FILE) -> bytes | None:
        deadline = time.monotonic() + FILE_TIMEOUT_S
        try:
            with self._call("read from a container") as client, _archive(client, container, path) as response:
                return archive.plain_file(response.iter_content(65536), path, limit=limit, deadline=deadline)
        except ContainerMissing as error:
            if self.inspect(container) is None:
                raise error from None
            return None
        except EngineRefused as error:
            if "could not find the file" in error.message.lower() or "no such file" in error.message.lower():
                return None
            # A circle of links, a file where a folder should be: the container made it so.
            raise FileRefused(f"{path} of the container cannot be read: {error.message}") from error

    def run_in(self, container: str, argv: Sequence[str], *, user: str = "", timeout: float = 30.0) -> Ran:
        made, pipe = self._exec(container, argv, user, stdin=False)
        stdout, stderr = collected(pipe, timeout)
        with self._call("look at a program in a container") as client:
            code = client.exec_inspect(made).get("ExitCode")
        return Ran(exit_code=None if code is None else int(code), stdout=stdout, stderr=stderr)

    def connect_in(self, container: str, argv: Sequence[str], *, user: str = "") -> Pipe:
        return self._exec(container, argv, user, stdin=True)[1]

    def _exec(self, container: str, argv: Sequence[str], user: str, *, stdin: bool) -> tuple[str, ExecPipe]:
        with self._call("run a program in a container") as client:
            made = str(client.exec_create(container, list(argv), stdin=stdin, user=user)["Id"])
            response = client._post(
                client._url("/exec/{0}/start", made),
                json={"Detach": False, "Tty": False},
                headers={"Connection": "Upgrade", "Upgrade": "tcp"},
                stream=True,
                timeout=None,
            )
            client._raise_for_status(response)
        return made, ExecPipe(response)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        with self._call("create a volume") as client:
            client.create_volume(name, labels=dict(labels))

    def remove_volume(self, name: str) -> None:
        with self._call("remove a volume") as client, contextlib.suppress(docker.errors.NotFound):
            client.remove_volume(name)

    def list_volumes(self, labels: Mapping[str, str]) -> list[VolumeInfo]:
        filters = _with_labels(labels)
        with self._call("list volumes") as client:
            found = client.volumes(filters=filters)["Volumes"] or []
        return [facts.volume_info(entry) for entry in found]

    def volume_sizes(self) -> Mapping[str, int]:
        with self._call("measure volumes", LONG_TIMEOUT_S) as client:
            # Engines before API 1.42 do not know the parameter and measure everything.
            said = client._result(client._get(client._url("/system/df"), params={"type": "volume"}), json=True)
        sizes = {one["Name"]: int((one.get("UsageData") or {}).get("Size", -1)) for one in said.get("Volumes") or []}
        return {name: size for name, size in sizes.items() if size >= 0}

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        retry.network_once(
            lambda: self._make_network(name, labels), lambda: self._has_network(name, labels), retry.PATIENT
        )

    def _make_network(self, name: str, labels: Mapping[str, str]) -> None:
        options = {
            "com.docker.network.bridge.enable_icc": "false",
            # A network's name is not unique, its interface's is: of two that are made at once one is refused.
            "com.docker.network.bridge.name": _interface(name),
        }
        with self._call("make a network") as client:
            client.create_network(name, driver="bridge", options=options, labels=dict(labels), check_duplicate=True)

    def _has_network(self, name: str, labels: Mapping[str, str]) -> bool:
        found = [
            one for one in self._asked("list networks", lambda c: c.networks(names=[name])) if one["Name"] == name
        ]
        if any((one.get("Labels") or {}).items() >= dict(labels).items() for one in found):
            return True
        if found:
            raise EngineRefused(f"There is a network {name} that is not the application's.", "Rename it.")
        return False

    def list_networks(self, labels: Mapping[str, str]) -> list[NetworkInfo]:
        filters = _with_labels(labels)
        found = self._asked("list networks", lambda client: client.networks(filters=filters))
        return [
            NetworkInfo(
                name=one["Name"], labels=dict(one.get("Labels") or {}), containers=self._on_network(one["Name"])
            )
            for one in found
        ]

    def _on_network(self, network: str) -> tuple[str, ...]:
        """Also those that do not run: the network's own list lacks them, and they know it by its name alone."""
        filters = {"network": [network]}
        found = self._asked("list containers", lambda client: client.containers(all=True, filters=filters))
        return tuple(facts.container_summary(one).name for one in found)

    def remove_network(self, name: str) -> None:
        with self._call("remove a network") as client, contextlib.suppress(docker.errors.NotFound):
            client.remove_network(name)

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()
        if self._tunnel:
            self._tunnel.close()


def _with_labels(labels: Mapping[str, str]) -> dict[str, list[str]]:
    """The engine's filter: all of these, "" for any value."""
    return {"label": [f"{name}={value}" if value else name for name, value in labels.items()]}


def _interface(network: str) -> str:
    """What the interface of a network of ours is called on the engine's machine; a name has at most 15 characters."""
    return f"ar-{hashlib.sha256(network.encode()).hexdigest()[:12]}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _log(client: Any, container: str, timeout: float = CONTROL_TIMEOUT_S, **params: object) -> requests.Response:
    response = cast(
        "requests.Response",
        client._get(
            client._url("/containers/{0}/logs", container),
            params={"stdout": 1, "stderr": 1, **params},
            stream=True,
            timeout=timeout,
        ),
    )
    client._raise_for_status(response)
    return response


def _archive(client: Any, container: str, path: str) -> requests.Response:
    """The tar of one path of a container, as it comes: closing it ends the engine's packing as well."""
    response = cast(
        "requests.Response",
        client._get(
            client._url("/containers/{0}/archive", container),
            params={"path": path},
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=LOOK_TIMEOUT_S,
        ),
    )
    client._raise_for_status(response)
    return response


def _keep_few_pools(client: docker.APIClient) -> None:
    """Over a unix socket docker-py keeps a pool, with an open connection, for each of the last 25 addresses asked.

    Its own argument for that number is passed over by mistake. Twenty tasks would hold 500 connections.
    """
    adapter = getattr(client, "_custom_adapter", None)
    pools = getattr(adapter, "pools", None)
    if adapter is not None and pools is not None:
        adapter.pools = type(pools)(_POOLS, dispose_func=lambda pool: pool.close())


def connect(docker_host: str = "", patience: Patience = PATIENCE) -> DockerEngine:
    """The engine that the setting, DOCKER_HOST or the Docker context names; asks it for its version."""
    engine = DockerEngine(resolve(docker_host), patience)
    with contextlib.ExitStack() as undo:
        undo.callback(engine.close)
        engine.info()
        undo.pop_all()
    return engine
