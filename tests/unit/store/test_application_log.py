"""The application's own log: whole entries from every process, never a secret, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from agents_runner.core.errors import StoreError
from agents_runner.core.redaction import KnownSecrets
from agents_runner.core.secrets import SecretValues
from agents_runner.store.application_log import BACKGROUND, MAX_BYTES, ApplicationLog, LimitedText, traceback_text
from agents_runner.store.paths import Paths

CANARY = "canary-5cRe7-v4lue"
log = logging.getLogger("agents_runner.tests")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "application.log"


def test_nothing_is_opened_before_there_is_something_to_say(path: Path) -> None:
    with ApplicationLog(path).attached():
        assert not path.exists()
        log.info("a first word")
    log.info("after it")
    (line,) = path.read_text().splitlines()
    assert line.endswith("INFO agents_runner.tests: a first word")
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_below_the_folder_of_the_state(home: Paths) -> None:
    assert home.application_log.parent == home.data


def test_an_entry_cannot_look_like_another(path: Path) -> None:
    with ApplicationLog(path).attached():
        log.warning("one\n2026-01-01T00:00:00.000Z 1 Main INFO two")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("    ")


class Model(BaseModel):
    number: int


def _foreign_errors() -> list[Exception]:
    made: list[Exception] = []
    for act in (
        lambda: int(CANARY),
        lambda: {}[CANARY],
        lambda: Model.model_validate({"number": CANARY}),
        lambda: subprocess.run(["/bin/sh", "-c", "exit 3", CANARY], check=True),
        lambda: getattr(Path(), CANARY),
    ):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - each is looked at
            made.append(error)
    return made


@pytest.mark.parametrize("error", _foreign_errors(), ids=lambda error: type(error).__name__)
def test_s15_no_value_in_what_a_foreign_error_says(path: Path, error: Exception) -> None:
    with ApplicationLog(path).attached():
        try:
            local_of_this_frame = CANARY
            raise error
        except Exception:
            log.exception("it failed")
            del local_of_this_frame
    text = path.read_text()
    assert CANARY not in text
    assert type(error).__name__ in text
    assert "test_application_log.py" in text


def test_s15_no_value_in_the_causes_of_an_error() -> None:
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise StoreError("The disk is full.", "Free some space.") from error
    except StoreError as error:
        text = traceback_text(error)
    assert CANARY not in text
    assert text.index("The disk is full. Free some space.") < text.index("ValueError")


@pytest.mark.parametrize("form", [CANARY, f"x={CANARY}!", "Y2FuYXJ5LTVjUmU3LXY0bHVl"])
def test_s15_a_secret_that_the_process_knows_is_masked_wherever_it_is(path: Path, form: str) -> None:
    secrets = KnownSecrets()
    with ApplicationLog(path, secrets).attached():
        secrets.add(CANARY)
        log.error("told: %s", form)
        log.error("values: %r", SecretValues({"TOKEN": CANARY}))
    text = path.read_text()
    assert form not in text
    assert "***" in text
    assert "TOKEN" in text
    assert CANARY not in repr(secrets)


def test_a_full_file_is_put_aside_and_only_so_many_are_kept(path: Path) -> None:
    with ApplicationLog(path).attached():
        for number in range(700):
            log.info("%d %s", number, "x" * 10_000)
    files = sorted(one.name for one in path.parent.iterdir() if not one.name.endswith(".lock"))
    assert files == ["application.log", "application.log.1", "application.log.2", "application.log.3"]
    assert all((path.parent / name).stat().st_size <= MAX_BYTES for name in files)
    # What is kept is without a gap, the newest last.
    text = "".join((path.parent / name).read_text() for name in [*files[:0:-1], files[0]])
    numbers = [int(line.split(": ", 1)[1].split()[0]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 700))


def test_what_a_process_in_the_background_prints_is_put_aside_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "background.log"
    stream = LimitedText(path)
    for number in range(700):
        print(number, "x" * 10_000, file=stream)
    files = sorted(one.name for one in tmp_path.iterdir() if not one.name.endswith(".lock"))
    assert files == ["background.log", "background.log.1", "background.log.2", "background.log.3"]
    assert all((tmp_path / name).stat().st_size <= MAX_BYTES for name in files)
    text = "".join((tmp_path / name).read_text() for name in [*files[:0:-1], files[0]])
    numbers = [int(line.split()[0]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 700))


def test_a_process_in_the_background_keeps_that_limit(tmp_path: Path) -> None:
    """Its streams are in a file already, which grows whatever its name is: only what it writes itself ends there."""
    log, raw = tmp_path / "background.log", tmp_path / "raw"
    with raw.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "agents_runner", "doctor"],
            env=os.environ | {"AGENTS_RUNNER_HOME": str(tmp_path / "home"), BACKGROUND: str(log)},
            stdout=out,
            stderr=out,
            check=False,
        )
    assert done.returncode in (0, 1)
    assert raw.read_bytes() == b""
    said = log.read_text()
    assert str(tmp_path / "home/background.log") in said, "the check names it"
    assert str(tmp_path / "home/application.log") in said


WRITER = """
import logging, pathlib, sys
from agents_runner.store.application_log import ApplicationLog
with ApplicationLog(pathlib.Path(sys.argv[1])).attached():
    for number in range(300):
        logging.getLogger("agents_runner").info("%s %d %s", sys.argv[2], number, "x" * 2000)
"""


def test_four_processes_and_their_rotations_lose_nothing(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)]) for number in range(4)]
    assert [one.wait(120) for one in writers] == [0] * 4
    entries: list[tuple[str, int]] = []
    for file in path.parent.glob("application.log*"):
        for line in file.read_text().splitlines():
            _, _, said = line.partition("agents_runner: ")
            whose, number, rest = said.split()
            assert rest == "x" * 2000, "no entry is torn"
            entries.append((whose, int(number)))
    assert sorted(entries) == sorted((str(one), number) for one in range(4) for number in range(300))
    assert (path.parent / "application.log.1").exists(), "there was a rotation"


@pytest.mark.parametrize("hindrance", ["folder", "no-folder", "link"])
def test_a_log_that_cannot_be_written_hurts_nobody(
    path: Path, hindrance: str, capfd: pytest.CaptureFixture[str]
) -> None:
    target = path.parent / "else"
    if hindrance == "folder":
        path.mkdir()
    elif hindrance == "link":
        path.symlink_to(target)
    else:
        path = path.parent / "nowhere" / "application.log"
    with ApplicationLog(path).attached():
        log.error("nobody reads this")
    assert capfd.readouterr() == ("", "")
    assert not target.exists(), "no link is followed"


def test_a_thread_that_dies_is_written_down(path: Path) -> None:
    def dies() -> None:
        raise RuntimeError("here")

    with ApplicationLog(path).attached():
        thread = threading.Thread(target=dies, name="the-one")
        thread.start()
        thread.join()
    text = path.read_text()
    assert "the-one ERROR" in text
    assert "RuntimeError: here" in text
