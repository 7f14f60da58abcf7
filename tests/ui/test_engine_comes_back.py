"""The window is opened while the engine is away or hangs, and sees it come back by itself."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pytestqt.qtbot import QtBot

from agents_runner.core.container import EngineInfo
from agents_runner.runner.machine import EngineSource
from agents_runner.runner.settings_service import SettingsService
from agents_runner.store.paths import Paths
from agents_runner.store.settings import SettingsStore
from agents_runner.ui.engine_watch import ENGINE_RETRY_MS, ENGINE_SILENT_MS, NO_ANSWER
from agents_runner.ui.window import MainWindow
from tests.support.engine_of_version import EngineOfVersion
from tests.ui.driver import Driver
from tests.ui.fakes import FakeSystem, FakeWorld

# docker-py leaves a socket that it could not connect to the collector, which is called at the end of each test here.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="ar-") as folder:
        yield Path(folder)


@dataclass(kw_only=True)
class RealEngine(FakeSystem):
    """The fake, but for the engine, which is asked."""

    source: EngineSource

    def engine_info(self) -> EngineInfo:
        return self.source().info()


@pytest.fixture
def real_look(qtbot: QtBot, world: FakeWorld, place: Path, tmp_path: Path) -> Iterator[Callable[[], Driver]]:
    """Opens the window on the fakes, but for the engine, which is looked for at a socket in `place`."""
    file = SettingsStore(paths=Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "home")}).ensure())
    settings = SettingsService(file=file)
    settings.save(settings.load().model_copy(update={"docker_host": f"unix://{place}/engine.sock"}))
    source = EngineSource(settings)
    made: list[MainWindow] = []

    def make() -> Driver:
        window = MainWindow(replace(world.services(), system=RealEngine(runner=world.runner, source=source)))
        made.append(window)
        qtbot.addWidget(window)
        window.engine_watch.retry.setInterval(100)
        window.engine_watch.silent.setInterval(100)
        window.engine_watch.silent.start()
        window.show()
        qtbot.waitExposed(window)
        return Driver(window, qtbot)

    yield make
    for window in made:
        window.shut_down()
        window.hide()
    source.close()
    gc.collect()


def hung(place: Path) -> Callable[[], None]:
    """An engine that takes connections and never says a word; returns what ends it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place}/engine.sock")
    listener.listen(50)

    def end() -> None:
        listener.close()
        (place / "engine.sock").unlink()

    return end


def a_file(place: Path) -> Callable[[], None]:
    """Something that is no socket, as a container engine leaves it when it mounts a socket that is not there."""
    (place / "engine.sock").mkdir()
    return (place / "engine.sock").rmdir


def absent(_place: Path) -> Callable[[], None]:
    return lambda: None


@pytest.mark.parametrize("away", [absent, a_file], ids=["absent", "no socket"])
def test_f1_an_engine_that_was_away_is_seen_when_it_comes(
    real_look: Callable[[], Driver], place: Path, away: Callable[[Path], Callable[[], None]]
) -> None:
    """By itself, looked for every `ENGINE_RETRY_MS`, here more often."""
    assert ENGINE_RETRY_MS <= 10_000
    end = away(place)
    driver = real_look()
    driver.wait(lambda: driver.find("engine-banner").isVisible())
    assert f"{place}/engine.sock" in driver.window.engine_banner.text(), "the address is named"
    assert driver.label("engine-state") == "No engine"
    end()
    with EngineOfVersion(place, oldest="1.24", newest="1.43"):
        driver.wait(lambda: driver.label("engine-state") == "Engine 99")
        assert not driver.find("engine-banner").isVisible()


def test_f1_an_engine_that_hangs_is_seen_when_it_is_restarted(
    real_look: Callable[[], Driver], world: FakeWorld, place: Path
) -> None:
    world.add("Website")
    with ExitStack() as stack:
        end = hung(place)
        driver = real_look()
        # Everything that needs no engine works meanwhile.
        driver.wait(lambda: driver.text("env-name") == "Website" and driver.find("env-name").isEnabled())
        assert ENGINE_SILENT_MS < 10_000
        driver.wait(lambda: driver.label("engine-state") == "No answer")
        assert driver.window.engine_banner.text() == NO_ANSWER
        end()
        stack.enter_context(EngineOfVersion(place, oldest="1.24", newest="1.43"))
        driver.wait(lambda: driver.label("engine-state") == "Engine 99")
        assert not driver.find("engine-banner").isVisible()
