"""The one error tree: each error says what happened and what to do about it.

AgentsRunnerError
 ├ InvalidInput            what a person typed cannot be used (names its field)
 │  └ UsageError           the command line's own words are off
 ├ NotFound                an environment, task or file that is not there
 ├ StoreError              our own files cannot be read or written
 ├ WorkspaceError          the folder or repository to work in cannot be had
 ├ NoDesktop               a task that has no screen to look at
 ├ AgentError              the agent is missing or unknown
 ├ BuildFailed             a layer could not be built (a task falls back, it does not fail)
 ├ StageFailed             a preflight script failed at task start
 ├ Cancelled               a person stopped it
 └ EngineError             the container engine
    ├ EngineUnreachable    no engine, or it went away
    │  └ AnswerLost         the connection broke off after the question; the call may have taken effect
    ├ EngineDenied         no permission on its socket
    ├ EngineTooOld, EngineTooNew   outside the range that we can talk to
    ├ EngineTimeout        no answer in time; the call may still take effect
    │  └ LimitReached       a container ran longer than it may
    ├ ImageMissing, ContainerMissing, NetworkMissing
    ├ NameInUse            the container name is taken: somebody else holds this lock
    ├ PortInUse
    ├ MountRefused
    ├ NoSpace              the engine's disk is full
    └ EngineRefused        anything else the engine says no to
       └ NoAddresses       its address ranges for networks are used up
"""


class AgentsRunnerError(Exception):
    """Base of all errors that are shown to a person: `message` is one sentence, `hint` what to do."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(AgentsRunnerError):
    """A value that cannot be used; `field` is the environment's or form's field name ("" if none)."""

    code = "invalid-input"

    def __init__(self, message: str, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint)
        self.field = field


class UsageError(InvalidInput):
    code = "usage"
    exit_code = 2


class NotFound(AgentsRunnerError):
    code = "not-found"


class StoreError(AgentsRunnerError):
    code = "store"


class WorkspaceError(AgentsRunnerError):
    code = "workspace"


class NoDesktop(AgentsRunnerError):
    code = "no-desktop"


class AgentError(AgentsRunnerError):
    code = "agent"


class BuildFailed(AgentsRunnerError):
    """A layer's build failed; `tail` holds the script's last lines, oldest first, `status` its exit code."""

    code = "build-failed"

    def __init__(self, message: str, hint: str = "", tail: tuple[str, ...] = (), status: int | None = None) -> None:
        super().__init__(message, hint)
        self.tail = tail
        self.status = status


class StageFailed(AgentsRunnerError):
    """A preflight script failed at task start; `exit_code` of the script is in `status`."""

    code = "preflight-failed"

    def __init__(self, message: str, hint: str = "", status: int = 1, tail: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.status = status
        self.tail = tail


STOP_GRACE_S = 5.0
"""Seconds that a stopped container usually has for its own end."""


class Cancelled(AgentsRunnerError):
    """Somebody asked to stop; `grace_s` are the seconds that what runs has for its own end before it is killed."""

    code = "cancelled"

    def __init__(self, message: str = "Stopped.", hint: str = "", grace_s: float = STOP_GRACE_S) -> None:
        super().__init__(message, hint)
        self.grace_s = grace_s


class Detached(BaseException):
    """The application ends and leaves the work as it is for the next start to adopt: no failure.

    Raised where a stop would be noticed; what is to go on without us (containers, their folders) stays.
    """


class EngineError(AgentsRunnerError):
    code = "engine"


class EngineUnreachable(EngineError):
    code = "engine-unreachable"


class AnswerLost(EngineUnreachable):
    """The question was sent, no answer came: whoever asked has to look what became of it."""


class EngineDenied(EngineError):
    code = "engine-denied"


class EngineTooOld(EngineError):
    code = "engine-version"


class EngineTooNew(EngineError):
    code = "engine-version"


class EngineTimeout(EngineError):
    code = "engine-timeout"


class LimitReached(EngineTimeout):
    """Raised by whoever follows the container; it is left as it is."""

    code = "limit"


class ImageMissing(EngineError):
    code = "image-missing"


class ContainerMissing(EngineError):
    code = "container-missing"


class FileRefused(EngineError):
    """What stands at a path inside a container is no plain file of a sensible size, so none of it was taken."""

    code = "file-refused"


class NameInUse(EngineError):
    code = "name-in-use"


class PortInUse(EngineError):
    code = "port-in-use"


class MountRefused(EngineError):
    code = "mount-refused"


class NetworkMissing(EngineError):
    """The network that a container was made for is not there any more."""

    code = "network-missing"


class NoSpace(EngineError):
    code = "no-space"


class EngineRefused(EngineError):
    code = "engine-refused"


class NoAddresses(EngineRefused):
    """The engine has no address range left for one more network."""

    code = "no-addresses"
