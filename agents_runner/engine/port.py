"""The engine as the rest of the program sees it: a small port with one real and one fake implementation.

Every method raises only `core.errors.EngineError`s. Methods that look something up return None where
there is nothing; methods that act raise `ImageMissing`, `ContainerMissing` and the like.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agents_runner.core.container import (
    CommitSpec,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ImageInfo,
    NetworkInfo,
    VolumeInfo,
)

MAX_FILE = 1024 * 1024
"""Bytes of a file that is taken out of a container, unless its caller says otherwise."""


@dataclass(frozen=True, kw_only=True)
class PullProgress:
    """One movement of a pull: `done` and `total` bytes over all layers so far, 0 if unknown."""

    text: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Bytes of a container's output, cut anywhere; an empty `data` is a tick: nothing came for a moment."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class LogStream(Protocol):
    """A container's live output. Iterating ends with the stream, which says nothing about the container."""

    @property
    def complete(self) -> bool:
        """Whether the engine said at the end that this was all; if not, the connection may have broken off."""
        ...

    def __iter__(self) -> Iterator[Chunk]: ...

    def close(self) -> None:
        """End the iteration, from any thread; the container goes on."""
        ...


class Attached(LogStream, Protocol):
    """Live output of a container, and a way to its first process's standard input."""

    def send(self, data: bytes) -> None:
        """Hand these bytes over; nothing happens if it has ended.

        What is sent before the start is the first thing that the process reads, even if the sender is gone by then.
        """
        ...


class Pipe(Protocol):
    """Both ways to and from a program that runs inside a container; `read` and `write` may be on two threads."""

    def read(self) -> bytes:
        """The next bytes of its standard output, as soon as there are any; b"" at the end, or after `close`."""
        ...

    def write(self, data: bytes) -> None:
        """Write to the program's standard input. Raises EngineUnreachable once the connection is gone."""
        ...

    def close(self) -> None:
        """End the program and its connection, from any thread."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a program inside a container ended; `exit_code` None where the engine does not know it."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


class Engine(Protocol):
    """What the program asks of a container engine."""

    def info(self) -> EngineInfo: ...

    def clock(self) -> float:
        """The engine's own time, in seconds since the epoch: what `ContainerState` is to be compared with."""
        ...

    # images
    def find_image(self, ref: str) -> ImageInfo | None:
        """The image of a tag or id; about 1 ms. Never pulls."""
        ...

    def list_images(self, labels: Mapping[str, str] | None = None) -> list[ImageInfo]:
        """Images with all these labels, one request; configuration fields are empty (see `find_image`)."""
        ...

    def pull(self, ref: str, platform: str = "") -> Generator[PullProgress, None, None]:
        """Yields at least ten times a second; closing it ends the pull, on the engine too.

        Raises ImageMissing, NoSpace, EngineTimeout (nothing moved for a while) and other EngineErrors.
        """
        ...

    def remote_digest(self, ref: str) -> str:
        """The digest that the tag has in its registry now (`sha256:...`); pulls nothing."""
        ...

    def import_image(self, tar: Iterator[bytes], ref: str, changes: Sequence[str] = ()) -> str:
        """Make an image of a file system; `changes` are Dockerfile lines. Returns the image's id."""
        ...

    def tag(self, image_id: str, ref: str) -> None: ...

    def remove_tag(self, ref: str) -> None:
        """Remove exactly this tag (and the image, if nothing else needs it); never by force."""
        ...

    # containers
    def create(self, spec: ContainerSpec) -> str:
        """Create, and return the container's id. Raises NameInUse, ImageMissing, MountRefused."""
        ...

    def start(self, container: str) -> None:
        """Start a created container. Raises PortInUse, MountRefused, NetworkMissing, ContainerMissing."""
        ...

    def attach(self, container: str, *, stdin: bool = False) -> Attached:
        """Live output from the first byte on: call before `start`."""
        ...

    def send(self, container: str, data: bytes) -> None:
        """Write to the standard input of a running container's first process (see `ContainerSpec.stdin_stays`).

        For whoever is not attached to it; its output is neither read nor lost. Nothing happens if it has ended.
        """
        ...

    def follow(self, container: str, skip: Mapping[str, int] | None = None) -> LogStream:
        """Output from the beginning, past and to come, leaving out the first `skip[stream]` bytes."""
        ...

    def lost_answers(self) -> int:
        """How often this process got no answer so far: it changes when the engine is restarted, or out of reach."""
        ...

    def last_output(self, container: str, lines: int) -> Sequence[Chunk] | None:
        """The last lines of its output so far, of both streams together; None if the answer may be cut.

        Raises ContainerMissing.
        """
        ...

    def inspect(self, container: str) -> ContainerState | None: ...

    def list_containers(self, labels: Mapping[str, str], *, running_only: bool = False) -> list[ContainerState]: ...

    def wait(self, container: str, timeout: float | None = None) -> ContainerState:
        """Block until it ended (or `timeout` seconds: EngineTimeout)."""
        ...

    def stop(self, container: str, grace: float = 5.0) -> None:
        """Ask politely, kill after `grace` seconds; nothing happens if it has ended or is gone."""
        ...

    def remove(self, container: str) -> None:
        """Remove with its anonymous volumes, killing it first; nothing happens if it is gone."""
        ...

    def commit(self, container: str, spec: CommitSpec) -> str:
        """Make an untagged image of a stopped container; returns its id."""
        ...

    def written_bytes(self, container: str) -> int:
        """Bytes of the files that an ended container wrote or changed, which a commit would write again.

        A hole in a file counts in full, as the commit writes it; contents of volumes and mounts do not count. The
        engine looks at each of the files. Raises ContainerMissing, EngineTimeout.
        """
        ...

    def put_file(self, container: str, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file, owned by root, into a container that need not run; folders are made."""
        ...

    def put_tree(self, container: str, path: str, files: Mapping[str, bytes], *, uid: int = 0, gid: int = 0) -> None:
        """Write files (relative name to bytes, mode 0700) below a folder of the container."""
        ...

    def get_file(self, container: str, path: str, *, limit: int = MAX_FILE) -> bytes | None:
        """The bytes of a plain file of at most `limit` bytes; None if there is nothing at that path.

        What a container left behind is not to be trusted: a link as the last part of the path is never followed,
        one before it only within the container. Ask after the container has ended, while nothing changes any more.
        Raises FileRefused for everything that is no such file (a link, a folder, a pipe, a device, a longer file),
        and where its bytes do not come within half a minute; never more than `limit` and a little is read.
        """
        ...

    def run_in(self, container: str, argv: Sequence[str], *, user: str = "", timeout: float = 30.0) -> Ran:
        """Run a program inside a running container, without input, and wait for its end.

        `user` is `uid:gid`, "" the container's own. At most 64 MiB of output are kept. Raises EngineTimeout
        (the program may go on), ContainerMissing, EngineRefused where the container does not run.
        """
        ...

    def connect_in(self, container: str, argv: Sequence[str], *, user: str = "") -> Pipe:
        """Start a program inside a running container and be connected with its input and output."""
        ...

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None: ...

    def remove_volume(self, name: str) -> None:
        """Remove it; nothing happens if it is gone. Raises EngineRefused while a container has it."""
        ...

    def list_volumes(self, labels: Mapping[str, str]) -> list[VolumeInfo]:
        """Volumes with all these labels."""
        ...

    def volume_sizes(self) -> Mapping[str, int]:
        """Name to bytes of all volumes that the engine can measure; takes it a while."""
        ...

    # networks
    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Have a bridge of this name with these labels, whose containers do not reach each other; once, whoever asks.

        An answer that was lost is looked for, as is what another process makes at the same time. Raises EngineRefused
        where another's network has the name, NoAddresses where the engine has none left.
        """
        ...

    def list_networks(self, labels: Mapping[str, str]) -> list[NetworkInfo]:
        """Networks with all these labels; one request, and one more for each that is found."""
        ...

    def remove_network(self, name: str) -> None:
        """Remove it; nothing happens if it is gone. Raises EngineRefused while a container is on it."""
        ...

    def close(self) -> None: ...


EngineFactory = Callable[[], Engine]
