"""A fake engine in memory, for tests: the same port, the same errors; programs are Python functions.

By default a container's command is run by this machine's shell in a temporary folder, without any isolation:
good for `echo` and `exit`, and for nothing else.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

from agents_runner.core.clock import Clock
from agents_runner.core.container import (
    CommitSpec,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ImageInfo,
    NetworkInfo,
    VolumeInfo,
)
from agents_runner.core.errors import (
    ContainerMissing,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    FileRefused,
    ImageMissing,
    NameInUse,
)
from agents_runner.core.imageplan import sha256
from agents_runner.engine.port import MAX_FILE, Attached, Chunk, LogStream, Pipe, PullProgress, Ran

_TICK_S = 0.02
KILLED = 137


class Console:
    """What a container's program writes to; `stopped` is set when it is to end."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.input: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """What is sent to it; nothing more comes after an empty one."""
        self._lock = threading.Lock()
        self._past: list[Chunk] = []
        self._readers: list[queue.Queue[Chunk | None]] = []

    def write(self, text: str, stream: str = "stdout") -> None:
        chunk = Chunk(
            stream="stderr" if stream == "stderr" else "stdout", data=text.encode("utf-8", "surrogateescape")
        )
        with self._lock:
            self._past.append(chunk)
            for reader in self._readers:
                reader.put(chunk)

    def end(self) -> None:
        with self._lock:
            for reader in self._readers:
                reader.put(None)
            self._readers = []
            self.stopped.set()

    def past(self) -> Sequence[Chunk]:
        with self._lock:
            return tuple(self._past)

    def reader(self, *, past: bool, ended: bool) -> queue.Queue[Chunk | None]:
        made: queue.Queue[Chunk | None] = queue.Queue()
        with self._lock:
            for chunk in self._past if past else ():
                made.put(chunk)
            if ended:
                made.put(None)
            else:
                self._readers.append(made)
        return made


Program = Callable[[ContainerSpec, Console], int]


def run_shell(spec: ContainerSpec, console: Console) -> int:
    """The command itself, by this machine's shell."""
    process = subprocess.Popen(
        [*(spec.entrypoint or ()), *spec.command],
        stdin=subprocess.PIPE if spec.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    readers = [threading.Thread(target=_copy, args=(process.stdout, console, name)) for name in ("stdout", "stderr")]
    readers[1] = threading.Thread(target=_copy, args=(process.stderr, console, "stderr"))
    for reader in readers:
        reader.start()
    if process.stdin is not None:
        threading.Thread(target=_feed, args=(process.stdin, console), daemon=True).start()
    while process.poll() is None:
        if console.stopped.wait(_TICK_S):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    for reader in readers:
        reader.join()
    return KILLED if process.returncode < 0 else process.returncode


def _feed(target: IO[bytes], console: Console) -> None:
    with contextlib.suppress(OSError), target:
        while data := console.input.get():
            target.write(data)
            target.flush()


def _copy(source: object, console: Console, stream: str) -> None:
    with source as file:  # type: ignore[attr-defined]
        for line in file:
            console.write(line.decode("utf-8", "surrogateescape"), stream)


class _Stream:
    def __init__(
        self,
        source: queue.Queue[Chunk | None],
        skip: Mapping[str, int],
        console: Console | None = None,
        *,
        stays: bool = False,
    ) -> None:
        self._console = console
        self._stays = stays
        self._source = source
        self._skip = dict(skip)
        self._closed = False

    @property
    def complete(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Chunk]:
        while not self._closed:
            try:
                chunk = self._source.get(timeout=_TICK_S)
            except queue.Empty:
                yield Chunk(stream="stdout", data=b"")
                continue
            if chunk is None:
                return
            known = min(self._skip.get(chunk.stream, 0), len(chunk.data))
            if known:
                self._skip[chunk.stream] -= known
            if chunk.data[known:]:
                yield Chunk(stream=chunk.stream, data=chunk.data[known:])

    def send(self, data: bytes) -> None:
        if self._console is not None:
            self._console.input.put(data)

    def close(self) -> None:
        self._closed = True
        if self._console is not None and not self._stays:
            self._console.input.put(b"")


@dataclass(kw_only=True)
class _Container:
    spec: ContainerSpec
    state: ContainerState
    console: Console = field(default_factory=Console)
    thread: threading.Thread | None = None
    files: dict[str, bytes] = field(default_factory=dict)


class _ProcessPipe:
    def __init__(self, argv: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def read(self) -> bytes:
        source = self._process.stdout
        try:
            return (source.read(65536) if source else b"") or b""
        except (OSError, ValueError):
            return b""

    def write(self, data: bytes) -> None:
        target = self._process.stdin
        try:
            if target:
                target.write(data)
        except (OSError, ValueError) as error:
            raise EngineUnreachable("The connection into the container is gone.") from error

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for one in (self._process.stdin, self._process.stdout):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.close()


class FakeEngine:
    """See `engine.port.Engine`. `failures` maps a method's name to an error that it raises, once for each entry."""

    def __init__(self, program: Program = run_shell) -> None:
        self.program = program
        self.images: dict[str, ImageInfo] = {}
        self.pullable: dict[str, ImageInfo] = {}
        self.containers: dict[str, _Container] = {}
        self.volumes: dict[str, VolumeInfo] = {}
        self.networks: dict[str, dict[str, str]] = {}
        self.failures: list[tuple[str, Exception]] = []
        self.calls: list[str] = []
        self.written = 0
        """Bytes that every container's program wrote, as far as `written_bytes` tells."""
        self.insiders: list[Callable[[tuple[str, ...]], Ran | None]] = []
        self.clock: Clock = time.time
        self._lock = threading.RLock()
        self._count = 0
        self._lost = 0

    def add_image(self, ref: str, **fields: object) -> ImageInfo:
        """An image that is just there."""
        image = replace(ImageInfo(id="sha256:" + sha256(ref.encode()), tags=(ref,), size=1000), **fields)  # type: ignore[arg-type]
        self.images[image.id] = image
        return image

    def _called(self, name: str) -> None:
        self.calls.append(name)
        for number, (method, error) in enumerate(self.failures):
            if method == name:
                del self.failures[number]
                self._lost += isinstance(error, EngineUnreachable)
                raise error

    def info(self) -> EngineInfo:
        self._called("info")
        return EngineInfo(endpoint="fake://", version="0", api="1.41", platform="linux/amd64", local=True)

    # -- images ----------------------------------------------------------------------------------

    def find_image(self, ref: str) -> ImageInfo | None:
        self._called("find_image")
        return self.images.get(ref) or next((one for one in self.images.values() if ref in one.tags), None)

    def list_images(self, labels: Mapping[str, str] | None = None) -> list[ImageInfo]:
        self._called("list_images")
        return [one for one in self.images.values() if _has(one.labels, labels or {})]

    def pull(self, ref: str, platform: str = "") -> Generator[PullProgress, None, None]:
        self._called("pull")
        yield PullProgress(text=f"Pulling {ref}")
        if ref not in self.pullable:
            raise ImageMissing(f"The image {ref} cannot be pulled: not found.", "Check the name and the network.")
        self.images[self.pullable[ref].id] = self.pullable[ref]

    def remote_digest(self, ref: str) -> str:
        self._called("remote_digest")
        if ref not in self.pullable:
            raise ImageMissing(f"The image {ref} is in no registry.")
        return self.pullable[ref].id

    def import_image(self, tar: Iterator[bytes], ref: str, changes: Sequence[str] = ()) -> str:
        self._called("import_image")
        return self.add_image(ref, size=sum(map(len, tar))).id

    def tag(self, image_id: str, ref: str) -> None:
        self._called("tag")
        with self._lock:
            for image in list(self.images.values()):
                if ref in image.tags:
                    self.images[image.id] = replace(image, tags=tuple(tag for tag in image.tags if tag != ref))
            image = self.images[image_id]
            self.images[image_id] = replace(image, tags=(*image.tags, ref))

    def remove_tag(self, ref: str) -> None:
        self._called("remove_tag")
        with self._lock:
            image = self.find_image(ref)
            if image is None:
                raise ImageMissing(f"No such image: {ref}.")
            tags = tuple(tag for tag in image.tags if tag != ref)
            if tags:
                self.images[image.id] = replace(image, tags=tags)
            else:
                del self.images[image.id]

    # -- containers ------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        self._called("create")
        with self._lock:
            if any(one.spec.name == spec.name for one in self.containers.values()):
                raise NameInUse(f"The container name {spec.name} is taken.")
            image = self.find_image(spec.image)
            if image is None:
                raise ImageMissing(f"No such image: {spec.image}.")
            self._count += 1
            made = sha256(f"{spec.name}-{self._count}".encode())
            labels = {**image.labels, **spec.labels}
            state = ContainerState(
                id=made,
                name=spec.name,
                status="created",
                running=False,
                exit_code=None,
                labels=labels,
                image_id=image.id,
                created=self.clock(),
            )
            self.containers[made] = _Container(spec=spec, state=state)
        return made

    def _get(self, container: str) -> _Container:
        found = self._find(container)
        if found is None:
            raise ContainerMissing("The container is gone.", "It was removed from outside.")
        return found

    def _find(self, container: str) -> _Container | None:
        with self._lock:
            for made, one in self.containers.items():
                if container in (made, one.spec.name):
                    return one
        return None

    def start(self, container: str) -> None:
        self._called("start")
        one = self._get(container)
        one.state = replace(one.state, status="running", running=True, started=self.clock())

        def work() -> None:
            code = self.program(one.spec, one.console)
            one.state = replace(one.state, status="exited", running=False, exit_code=code, finished=self.clock())
            one.console.end()

        one.thread = threading.Thread(target=work, daemon=True)
        one.thread.start()

    def attach(self, container: str, *, stdin: bool = False) -> Attached:
        self._called("attach")
        one = self._get(container)
        source = one.console.reader(past=False, ended=False)
        return _Stream(source, {}, one.console if stdin else None, stays=one.spec.stdin_stays)

    def send(self, container: str, data: bytes) -> None:
        self._called("send")
        self._get(container).console.input.put(data)

    def follow(self, container: str, skip: Mapping[str, int] | None = None) -> LogStream:
        self._called("follow")
        one = self._get(container)
        return _Stream(one.console.reader(past=True, ended=one.state.ended), skip or {})

    def lost_answers(self) -> int:
        return self._lost

    def last_output(self, container: str, lines: int) -> Sequence[Chunk] | None:
        self._called("last_output")
        return self._get(container).console.past()[-lines:]

    def inspect(self, container: str) -> ContainerState | None:
        self._called("inspect")
        one = self._find(container)
        return one.state if one else None

    def list_containers(self, labels: Mapping[str, str], *, running_only: bool = False) -> list[ContainerState]:
        self._called("list_containers")
        states = [one.state for one in self.containers.values()]
        return [state for state in states if _has(state.labels, labels) and (state.running or not running_only)]

    def wait(self, container: str, timeout: float | None = None) -> ContainerState:
        one = self._get(container)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not one.state.ended:
            if deadline is not None and time.monotonic() >= deadline:
                raise EngineTimeout("The container has not ended in time.")
            one.console.stopped.wait(_TICK_S)
        return one.state

    def stop(self, container: str, grace: float = 5.0) -> None:
        self._called("stop")
        self._end(container)

    def _end(self, container: str) -> None:
        one = self._find(container)
        if one is None or one.thread is None or one.state.ended:
            return
        one.console.stopped.set()
        one.thread.join(10)

    def remove(self, container: str) -> None:
        self._called("remove")
        one = self._find(container)
        if one is not None:
            self._end(container)
            with self._lock:
                self.containers.pop(one.state.id, None)

    def commit(self, container: str, spec: CommitSpec) -> str:
        self._called("commit")
        one = self._get(container)
        parent = self.images[one.state.image_id]
        with self._lock:
            self._count += 1
            made = "sha256:" + sha256(f"commit-{self._count}".encode())
            self.images[made] = replace(
                parent,
                id=made,
                tags=(),
                labels={**one.state.labels, **spec.labels},
                size=parent.size + 100,
                parent=parent.id,
                user=spec.user or one.spec.user or parent.user,
                entrypoint=spec.entrypoint or parent.entrypoint,
                command=spec.command or parent.command,
            )
        return made

    def written_bytes(self, container: str) -> int:
        self._called("written_bytes")
        return sum(len(data) for data in self._get(container).files.values()) + self.written

    def put_file(self, container: str, path: str, data: bytes, *, mode: int = 0o644) -> None:
        self._called("put_file")
        one = self._get(container)
        one.files[path] = data

    def put_tree(self, container: str, path: str, files: Mapping[str, bytes], *, uid: int = 0, gid: int = 0) -> None:
        self._called("put_tree")
        self._get(container).files.update({f"{path}/{name}": data for name, data in files.items()})

    def get_file(self, container: str, path: str, *, limit: int = MAX_FILE) -> bytes | None:
        self._called("get_file")
        data = self._get(container).files.get(path)
        if data is not None and len(data) > limit:
            raise FileRefused(f"{path} of the container is larger than {limit} bytes.", "Nothing of it was read.")
        return data

    def run_in(self, container: str, argv: Sequence[str], *, user: str = "", timeout: float = 30.0) -> Ran:
        """Run it with this machine's shell, as everything here; `insiders` are asked first."""
        self._called("run_in")
        self._running(container)
        for insider in self.insiders:
            found = insider(tuple(argv))
            if found is not None:
                return found
        try:
            done = subprocess.run(
                list(argv), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout
            )
        except subprocess.TimeoutExpired as error:
            raise EngineTimeout(f"A program in the container did not end within {timeout:g} s.") from error
        except FileNotFoundError:
            return Ran(exit_code=127, stdout=b"", stderr=b"no such program")
        return Ran(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def connect_in(self, container: str, argv: Sequence[str], *, user: str = "") -> Pipe:
        self._called("connect_in")
        self._running(container)
        return _ProcessPipe(argv)

    def _running(self, container: str) -> None:
        if not self._get(container).state.running:
            raise EngineRefused(f"The engine refused: container {container} is not running.")

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self.volumes.setdefault(name, VolumeInfo(name=name, labels=dict(labels)))

    def remove_volume(self, name: str) -> None:
        self._called("remove_volume")
        self.volumes.pop(name, None)

    def list_volumes(self, labels: Mapping[str, str]) -> list[VolumeInfo]:
        return [one for one in self.volumes.values() if _has(one.labels, labels)]

    def volume_sizes(self) -> Mapping[str, int]:
        return dict.fromkeys(self.volumes, 1000)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        self._called("ensure_network")
        if self.networks.setdefault(name, dict(labels)) != dict(labels):
            raise EngineRefused(f"There is a network {name} of somebody else.")

    def list_networks(self, labels: Mapping[str, str]) -> list[NetworkInfo]:
        self._called("list_networks")
        on = {
            name: tuple(one.spec.name for one in self.containers.values() if one.spec.network == name)
            for name in self.networks
        }
        return [
            NetworkInfo(name=name, labels=values, containers=on[name])
            for name, values in self.networks.items()
            if _has(values, labels)
        ]

    def remove_network(self, name: str) -> None:
        self._called("remove_network")
        if any(one.spec.network == name for one in self.containers.values()):
            raise EngineRefused(f"The network {name} is in use.")
        self.networks.pop(name, None)

    def close(self) -> None:
        for container in list(self.containers):
            self.remove(container)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in labels and (not value or labels[name] == value) for name, value in wanted.items())
