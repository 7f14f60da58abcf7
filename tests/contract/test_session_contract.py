"""A session's promises, kept on the fake engine and on the real one: what is made, followed, left and removed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agents_runner.containers.cancellation import Cancellation, LocalCancellation, NeverCancelled
from agents_runner.containers.control_folder import CONTROL_KIND, ControlFolders
from agents_runner.containers.job import ContainerJob, JobKind
from agents_runner.containers.session import WAITED, Session
from agents_runner.core.container import CONTAINER_KIND, ContainerSpec, ContainerState
from agents_runner.core.errors import (
    AgentsRunnerError,
    Cancelled,
    ContainerMissing,
    Detached,
    EngineError,
    EngineRefused,
    ImageMissing,
    LimitReached,
    NameInUse,
    StoreError,
)
from agents_runner.core.events import LogLine
from agents_runner.core.secrets import SecretGrant
from agents_runner.engine.fake import FakeEngine
from agents_runner.engine.port import Attached, Engine
from agents_runner.launcher.protocol import Mark

NAME = "agents-runner-session-test"
TOKEN = "0123456789abcdef"
SAYS = """IFS= read -r token
mark() { printf '\\036%s %s\\n' "$token" "$*"; }
secrets() { mark "secrets $1"; while IFS= read -r line && [ "$line" != . ]; do echo "sent $line"; done; }
"""
"""Begins a script as the launcher does: the token comes first."""
GRANTS = (SecretGrant(name="RUN", stages=("run",)), SecretGrant(name="AGENT", stages=("agent",)))
VALUES = {"RUN": "for-the-script", "AGENT": "for-the-agent"}


@dataclass
class Limit:
    """A limit that ends `seconds` after it was made; what is excluded is noted."""

    seconds: float | None = None
    excluded: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def deadline(self) -> float | None:
        return None if self.seconds is None else self.began + self.seconds + sum(self.excluded)

    def excludes(self, seconds: float) -> None:
        self.excluded.append(seconds)


class Leaves:
    """A cancellation that lets go of the container once it is told to."""

    def __init__(self) -> None:
        self.now = False

    def check(self) -> None:
        if self.now:
            raise Detached


@dataclass
class Floor:
    """One engine, and sessions on it."""

    engine: Engine
    image: str
    root: Path
    local: bool = True

    def job(
        self, script: str, *, kind: JobKind = "task", image: str = "", command: tuple[str, ...] = ()
    ) -> ContainerJob:
        spec = ContainerSpec(
            name=NAME,
            image=image or self.image,
            entrypoint=(),
            command=command or ("/bin/sh", "-c", SAYS + script),
            labels={"io.agents-runner.container.name": NAME, "agents-runner.test": "contract"},
            stdin=True,
            stdin_stays=True,
        )
        return ContainerJob(
            kind=kind,
            spec=spec,
            files={"in/a/file": b"a byte", "in/tools/.mount": b""},
            token=TOKEN,
            grants=GRANTS,
            secrets=VALUES,
        )

    def session(self, job: ContainerJob, cancel: Cancellation | None = None, container: str = "") -> Session:
        control = ControlFolders(root=self.root / "control", local=self.local)
        return Session(
            engine=self.engine,
            control=control,
            job=job,
            cancel=cancel or NeverCancelled(),
            container=container,
        )

    def left(self) -> list[str]:
        """Whatever there still is of any session."""
        volumes = self.engine.list_volumes({CONTAINER_KIND: CONTROL_KIND})
        folders = (self.root / "control").glob("*")
        state = self.engine.inspect(NAME)
        filler = [one.name for one in self.engine.list_containers({CONTAINER_KIND: CONTROL_KIND})]
        return [*([state.name] if state else []), *filler, *(one.name for one in (*volumes, *folders))]


@pytest.fixture(params=["fake", "real"])
def floor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Floor]:
    if request.param == "fake":
        fake = FakeEngine()
        fake.add_image("contract:1")
        yield Floor(fake, "contract:1", tmp_path)
        fake.close()
        return
    engine: Engine = request.getfixturevalue("engine")
    base: str = request.getfixturevalue("mini_base")
    yield Floor(engine, base, tmp_path)
    engine.remove(NAME)


@pytest.fixture
def real(engine: Engine, mini_base: str, tmp_path: Path) -> Iterator[Floor]:
    yield Floor(engine, mini_base, tmp_path)
    engine.remove(NAME)


Items = Generator[LogLine | Mark, None, ContainerState]


def told(items: Items) -> tuple[list[str], ContainerState]:
    """Lines as they are, marks in brackets, and the state at the end."""
    said: list[str] = []
    while True:
        try:
            item = next(items)
        except StopIteration as end:
            return said, end.value
        said.append(item.line if isinstance(item, LogLine) else f"[{item.word} {item.rest}]")


def read_until(items: Items, line: str) -> None:
    for item in items:
        if isinstance(item, LogLine) and item.line == line:
            return
    pytest.fail(f"{line} never came")


# -- the usual way -----------------------------------------------------------------------------------


def test_what_it_says_and_its_state_are_told_and_nothing_is_left(floor: Floor) -> None:
    job = floor.job('echo "token $token"; mark "begin preflight.run 1.5"; echo last; exit 3')
    with floor.session(job) as session:
        assert floor.left() != []
        session.start()
        said, state = told(session.run(Limit()))
    assert said == [f"token {TOKEN}", "[begin preflight.run 1.5]", "last"]
    assert (state.exit_code, session.was_away) == (3, False)
    assert floor.left() == []


def test_each_stage_is_sent_its_own_secrets_when_it_begins(floor: Floor) -> None:
    script = 'secrets run; mark "begin preflight.run 1"; echo between; secrets agent; mark "begin agent 2"'
    with floor.session(floor.job(script)) as session:
        session.start()
        said, state = told(session.run(Limit()))
    assert said == [
        "sent =RUN", "sent |for-the-script", "[begin preflight.run 1]", "between",
        "sent =AGENT", "sent |for-the-agent", "[begin agent 2]",
    ]  # fmt: skip
    assert state.exit_code == 0


def test_after_the_agent_has_begun_no_mark_is_believed(floor: Floor) -> None:
    script = 'mark "begin agent 1"; mark "error a lie"; mark "secrets agent"; mark "end agent 0 2"; echo true; exit 4'
    with floor.session(floor.job(script)) as session:
        session.start()
        said, state = told(session.run(Limit()))
    assert said == ["[begin agent 1]", "true"]
    assert state.exit_code == 4


def test_a_build_leaves_no_volume_behind(floor: Floor) -> None:
    with floor.session(floor.job("true", kind="build")) as session:
        assert [one.name.endswith("-state") for one in floor.engine.list_volumes({CONTAINER_KIND: CONTROL_KIND})] == [
            True
        ]
        session.start()
        told(session.run(Limit()))
        assert session.read_state("nothing") is None
    assert floor.left() == []


# -- what fails on the way ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["task", "build"])
def test_nothing_is_left_where_the_image_is_gone(floor: Floor, kind: JobKind) -> None:
    with pytest.raises(ImageMissing), floor.session(floor.job("true", kind=kind, image="not-there:1")):
        pytest.fail("there is no such container")
    assert floor.left() == []


def test_a_build_whose_name_is_taken_leaves_the_other_one_alone(floor: Floor) -> None:
    job = floor.job("true", kind="build")
    theirs = floor.engine.create(job.spec)
    with pytest.raises(NameInUse), floor.session(job):
        pytest.fail("two containers of one name")
    state = floor.engine.inspect(NAME)
    assert state is not None
    assert state.id == theirs
    assert floor.left() == [NAME]


def test_no_container_is_made_where_its_files_cannot_be_delivered(floor: Floor) -> None:
    (floor.root / "control").write_text("a file where the folder should be")
    with pytest.raises(StoreError), floor.session(floor.job("true")):
        pytest.fail("it cannot have its files")
    (floor.root / "control").unlink()
    assert floor.left() == []


@pytest.mark.parametrize("failing", ["put_tree", "create"])
def test_nothing_is_left_where_a_remote_engine_does_not_take_the_files(
    floor: Floor, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_args: object, **_more: object) -> str:
        raise EngineRefused("Not now.")

    floor.local = False
    monkeypatch.setattr(floor.engine, failing, refuses)
    with pytest.raises(EngineRefused, match="Not now"), floor.session(floor.job("true")):
        pytest.fail("it cannot have its files")
    monkeypatch.undo()
    assert floor.left() == []


def test_nothing_is_left_where_it_cannot_be_started(floor: Floor) -> None:
    job = floor.job("", command=("/no/such/program",))
    if isinstance(floor.engine, FakeEngine):
        floor.engine.failures.append(("start", EngineRefused("No such program.")))
    with floor.session(job) as session, pytest.raises(EngineError):
        session.start()
    assert floor.left() == []


def test_what_was_not_started_cannot_be_followed(floor: Floor) -> None:
    with floor.session(floor.job("true")) as session, pytest.raises(ContainerMissing):
        told(session.run(Limit()))
    assert floor.left() == []


# -- ends that come from outside ---------------------------------------------------------------------


def test_a_cancelled_one_is_removed(floor: Floor) -> None:
    cancel = LocalCancellation()
    with floor.session(floor.job("echo up; sleep 60"), cancel) as session:
        session.start()
        items = session.run(Limit())
        read_until(items, "up")
        cancel.cancel()
        with pytest.raises(Cancelled):
            told(items)
        state = floor.engine.inspect(NAME)
        assert state is not None
        assert state.running, "how it ends is up to whoever follows it"
    assert floor.left() == []


def test_a_cancelled_one_that_others_wait_for_stays(floor: Floor) -> None:
    cancel = LocalCancellation()
    with floor.session(floor.job("echo up; sleep 60"), cancel) as session:
        session.start()
        cancel.cancel()
        with pytest.raises(Cancelled):
            told(session.run(Limit()))
        session.keep()
    state = floor.engine.inspect(NAME)
    assert state is not None
    assert state.running
    floor.session(floor.job("")).control.sweep(floor.engine, NAME)
    floor.engine.remove(NAME)
    assert floor.left() == []


class StoppedAfter:
    """A cancellation that is set from the question with this number on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.parametrize(("questions", "made", "started"), [(0, 0, 0), (1, 1, 0), (2, 1, 1)])
def test_a_task_that_is_stopped_while_it_starts_goes_no_further(
    floor: Floor, questions: int, made: int, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noted(name: str) -> None:
        real = getattr(floor.engine, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(floor.engine, name, call)

    noted("create")
    noted("start")
    with pytest.raises(Cancelled), floor.session(floor.job("sleep 60"), StoppedAfter(questions)) as session:
        session.start()
    assert (calls.count("create"), calls.count("start")) == (made, started)
    assert floor.left() == []


def test_a_build_that_is_stopped_while_it_starts_is_there_for_those_who_wait(floor: Floor) -> None:
    with floor.session(floor.job("sleep 60", kind="build"), StoppedAfter(0)) as session:
        session.start()
        state = floor.engine.inspect(NAME)
        assert state is not None
        assert state.running


def test_a_limit_that_is_over_is_told(floor: Floor) -> None:
    with floor.session(floor.job("while :; do echo flood; done")) as session:
        session.start()
        began = time.monotonic()
        with pytest.raises(LimitReached):
            told(session.run(Limit(seconds=0.5)))
        assert time.monotonic() - began < 30
    assert floor.left() == []


# -- left alone, and resumed -------------------------------------------------------------------------


def followed(session: Session, leaves: Leaves, line: str) -> None:
    """Start it, and tell its follower to let go once the line has come; "" for never."""
    session.start()
    items = session.run(Limit())
    if line:
        read_until(items, line)
        leaves.now = True
    told(items)


def detached(floor: Floor, job: ContainerJob, line: str) -> str:
    """Start the job's container and let go of it once the line has come; returns the container."""
    leaves = Leaves()
    with pytest.raises(Detached), floor.session(job, leaves) as session:
        followed(session, leaves, line)
    assert len(floor.left()) == 2, "the container and its folder"
    return session.container


def test_a_detached_one_goes_on_and_is_read_from_its_beginning(floor: Floor) -> None:
    job = floor.job('secrets run; mark "begin preflight.run 1"; echo up; sleep 1; echo on; exit 5')
    container = detached(floor, job, "up")
    with floor.session(job, container=container) as session:
        said, state = told(session.resume(Limit()))
    assert said == ["sent =RUN", "sent |for-the-script", "[begin preflight.run 1]", "up", "on"]
    assert state.exit_code == 5
    assert floor.left() == [], "its folder was made by another session"


def deaf(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent before the start is lost, as by an engine that is restarted in between."""
    attach = floor.engine.attach

    def attached(container: str, *, stdin: bool = False) -> Attached:
        stream = attach(container, stdin=stdin)
        monkeypatch.setattr(stream, "send", lambda _data: None)
        return stream

    monkeypatch.setattr(floor.engine, "attach", attached)


def test_f3_a_token_that_was_lost_before_the_start_is_sent_once_more(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents_runner.containers.session.TOKEN_AGAIN_S", 0.5)
    deaf(floor, monkeypatch)
    with floor.session(floor.job('mark "begin preflight.run 1"; secrets run; echo up')) as session:
        session.start()
        said, state = told(session.run(Limit()))
    assert said == ["[begin preflight.run 1]", "sent =RUN", "sent |for-the-script", "up"]
    assert state.exit_code == 0


def test_f3_so_it_is_by_who_resumes_a_container_that_never_had_one(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents_runner.containers.session.TOKEN_AGAIN_S", 0.5)
    deaf(floor, monkeypatch)
    job = floor.job('mark "begin preflight.run 1"; echo up')
    with floor.session(job) as session:
        session.start()
        session.keep()
    monkeypatch.undo()
    monkeypatch.setattr("agents_runner.containers.session.TOKEN_AGAIN_S", 0.5)
    with floor.session(job, container=session.container) as session:
        said, _ = told(session.resume(Limit()))
    assert said == ["[begin preflight.run 1]", "up"]
    assert floor.left() == []


def unanswered(floor: Floor, job: ContainerJob, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container that asked for secrets just when its application died."""

    def dies(_container: str, _data: bytes) -> None:
        raise Detached

    monkeypatch.setattr(floor.engine, "send", dies)
    with pytest.raises(Detached), floor.session(job) as session:
        followed(session, Leaves(), "")
    monkeypatch.undo()
    return session.container


ASKS = """mark "home /root"; echo before; mark "secrets agent 1000.5"
while IFS= read -r line && [ "$line" != . ]; do echo "sent $line"; done
mark "begin agent 4600.5"; {agent}"""
"""Waits an hour for its secrets, by its own clock."""


def test_f5_a_question_that_nobody_answered_is_answered_by_who_takes_it_up(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = floor.job(ASKS.format(agent="echo done"))
    container = unanswered(floor, job, monkeypatch)
    # Its limit was over long ago by the time that it has been there: it waited meanwhile.
    limit = Limit(seconds=-3000)
    with floor.session(job, container=container) as session:
        said, state = told(session.resume(limit))
    assert said == [
        "[home /root]", "before", f"[{WAITED} agent]",
        "sent =AGENT", "sent |for-the-agent", "[begin agent 4600.5]", "done",
    ]  # fmt: skip
    assert limit.excluded == [3600.0]
    assert state.exit_code == 0
    assert floor.left() == []


def test_f5_a_question_is_answered_while_something_else_never_pauses(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run preflight started goes on writing."""
    monkeypatch.setattr("agents_runner.containers.session.CHATTER_S", 0.5)
    job = floor.job(
        "(while :; do echo chatter; sleep 0.01; done) &\n" + ASKS.format(agent="kill $!; wait; echo done")
    )
    container = unanswered(floor, job, monkeypatch)
    with floor.session(job, container=container) as session:
        said, _ = told(session.resume(Limit(seconds=60)))
    assert f"[{WAITED} agent]" in said
    assert "sent |for-the-agent" in said
    assert said[-1] == "done"
    assert floor.left() == []


def test_f5_a_question_that_was_answered_is_not_answered_again(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    job = floor.job(ASKS.format(agent="echo up; sleep 1; echo on"))
    container = detached(floor, job, "up")

    def sends(_container: str, _data: bytes) -> None:
        pytest.fail("it has its secrets")

    monkeypatch.setattr(floor.engine, "send", sends)
    with floor.session(job, container=container) as session:
        said, _ = told(session.resume(Limit(seconds=60)))
    assert f"[{WAITED} agent]" not in said
    assert said[-2:] == ["up", "on"]


def test_f5_the_rest_of_a_limit_holds_after_the_wait(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    job = floor.job(ASKS.format(agent="sleep 60"))
    container = unanswered(floor, job, monkeypatch)
    with floor.session(job, container=container) as session, pytest.raises(LimitReached):
        told(session.resume(Limit(seconds=-3600 + 1)))
    assert floor.left() == []


def test_f5_without_the_value_it_is_said_what_it_waits_for(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    job = floor.job(ASKS.format(agent="true"))
    container = unanswered(floor, job, monkeypatch)
    locked = replace(job, secrets={})
    with (
        floor.session(locked, container=container) as session,
        pytest.raises(AgentsRunnerError, match="waits for a secret that cannot be read: AGENT") as caught,
    ):
        told(session.resume(Limit()))
    assert caught.value.hint


def test_f17_a_limit_holds_for_one_that_is_resumed_while_it_never_pauses(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood has no pause that says that all of the past was read."""
    monkeypatch.setattr("agents_runner.containers.session.CATCH_UP_S", 0.5)
    job = floor.job("echo up; while :; do echo flood; done")
    container = detached(floor, job, "up")
    with floor.session(job, container=container) as session, pytest.raises(LimitReached):
        told(session.resume(Limit(seconds=-1)))
    assert floor.left() == []


@pytest.mark.parametrize(("seconds", "over"), [(60.0, False), (-1.0, True)])
def test_f17_one_that_ended_while_nobody_looked_is_judged_by_how_long_it_ran(
    floor: Floor, seconds: float, over: bool
) -> None:
    job = floor.job("echo up; sleep 0.2; exit 6")
    container = detached(floor, job, "up")
    floor.engine.wait(container, 30)
    with floor.session(job, container=container) as session:
        if over:
            with pytest.raises(LimitReached):
                told(session.resume(Limit(seconds=seconds)))
        else:
            said, state = told(session.resume(Limit(seconds=seconds)))
            assert (said, state.exit_code) == (["up"], 6)
    assert floor.left() == []


# -- an engine elsewhere -----------------------------------------------------------------------------


def test_on_a_remote_engine_the_files_can_only_be_read(real: Floor) -> None:
    real.local = False
    folder = "/run/agents-runner/in"
    script = (
        f'read -r line <{folder}/a/file || :; echo "$line"; (echo x >{folder}/new) 2>/dev/null || echo refused\n'
        f"[ -s {folder}/tools/bin/find ] && echo tools"
    )
    with real.session(real.job(script)) as session:
        session.start()
        said, _ = told(session.run(Limit()))
    assert said == ["a byte", "refused", "tools"]
    assert real.left() == []
