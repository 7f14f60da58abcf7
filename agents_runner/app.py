"""The one wiring place: makes every part and hands it what it works with."""

from __future__ import annotations

from pathlib import Path

from agents_runner.cli.printing import echo
from agents_runner.core.redaction import KnownSecrets
from agents_runner.engine.port import Engine
from agents_runner.images.sharing import FileLockCoordinator
from agents_runner.runner.bench import StartupBench
from agents_runner.runner.diagnostics import Diagnostics
from agents_runner.runner.environment_service import EnvironmentService
from agents_runner.runner.images.leftovers import LeftoverService, RecordedWork
from agents_runner.runner.images.maintenance import CacheMaintenance
from agents_runner.runner.images.service import ImageService
from agents_runner.runner.machine import Background, EngineSource, HostSource
from agents_runner.runner.secret_service import SecretReader, SecretService
from agents_runner.runner.services import Services
from agents_runner.runner.settings_service import AgentCatalogue, SettingsService
from agents_runner.runner.system_service import SystemService
from agents_runner.runner.task_service import TaskRunnerFactory, TaskService, builds_at_once
from agents_runner.runner.tasks.desktop import DesktopService
from agents_runner.store.database import Database
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.found_problems import FoundProblems
from agents_runner.store.one_window import WindowPlace
from agents_runner.store.owners import Owners
from agents_runner.store.paths import Paths
from agents_runner.store.secret_values import ChosenSecrets, FileSecrets, KeyringSecrets
from agents_runner.store.settings import SettingsStore
from agents_runner.store.tasks import TaskStore


def build_services(
    paths: Paths | None = None, engine_there: Engine | None = None, known: KnownSecrets | None = None
) -> Services:
    """Everything wired for this person's files. Raises StoreError where they cannot be written.

    `engine_there`: an engine that is connected already, in place of the one that the settings name. `known` is told
    every secret's value that comes by.
    """
    paths = (paths or Paths.find()).ensure()
    found = FoundProblems()
    settings = SettingsService(file=SettingsStore(paths=paths, problems=found))
    agents = AgentCatalogue(settings=settings)
    database = Database(paths, found)
    files = EnvironmentStore(paths=paths, problems=found)
    tasks = TaskStore(paths=paths, database=database)
    engine = EngineSource(settings, engine_there)
    instance = paths.instance_id()
    hosts = HostSource(state_dir=paths.data, instance=instance, engine=engine, settings=settings)
    background = Background(log=paths.background_log)
    values = ChosenSecrets(
        keyring=KeyringSecrets(instance=instance),
        file=FileSecrets(folder=paths.secrets, damaged=paths.damaged_data),
        settings=settings,
        known=known or KnownSecrets(),
    )
    reader = SecretReader(values=values)
    coordinator = FileLockCoordinator(
        root=paths.run / "builds", limit=builds_at_once(settings), failures=tasks.images
    )
    owners = Owners(folder=paths.run / "owners")
    leftovers = LeftoverService(
        engine=engine,
        run_dir=paths.run,
        coordinator=coordinator,
        work=RecordedWork(tasks=tasks, owners=owners),
        instance=instance,
    )
    images = ImageService(
        engine=engine,
        hosts=hosts,
        environments=files,
        uses=tasks.images,
        run_dir=paths.run,
        secrets=reader,
        settings=settings,
        coordinator=coordinator,
        leftovers=leftovers,
    )
    maintenance = CacheMaintenance(
        images=images,
        uses=tasks.images,
        environments=files,
        tasks=tasks,
        settings=settings,
        background=background,
        leftovers=leftovers,
    )
    environments = EnvironmentService(files=files, values=values, hosts=hosts, agents=agents, listener=maintenance)
    desktop = DesktopService(engine=engine, files=tasks)
    runners = TaskRunnerFactory(
        engine=engine,
        hosts=hosts,
        agents=agents,
        tasks=tasks,
        paths=paths,
        secrets=reader,
        owners=owners,
        coordinator=coordinator,
        desktop=desktop,
        settings=settings,
    )
    runner = TaskService(runner=runners.make(files.get), background=background)
    diagnostics = Diagnostics(
        log_file=paths.application_log,
        found=found,
        set_aside=(paths.damaged, paths.damaged_data),
        environments=files,
        tasks=tasks,
    )
    images.subscribe(maintenance)
    runner.subscribe(maintenance.listen)
    return Services(
        environments=environments,
        secrets=SecretService(environments=environments, values=values),
        tasks=tasks,
        runner=runner,
        images=images,
        desktop=desktop,
        settings=settings,
        system=SystemService(
            engine=engine,
            paths=paths,
            agents=agents,
            bench=StartupBench(engine=engine, images=images, runners=runners, tasks=tasks, hosts=hosts),
            maintenance=maintenance,
            diagnostics=diagnostics,
            pictures=WindowPictures(),
            runner=runner,
            parts=(maintenance, owners, desktop, engine, database),
        ),
        diagnostics=diagnostics,
    )


class WindowPictures:
    """See `runner.system_service.PicturePort`."""

    def write(self, services: Services, path: Path, environment_id: str) -> None:
        # Imported here: Qt is needed for nothing else that the command line does.
        from agents_runner.ui.snapshot import write_snapshot

        write_snapshot(services, path, environment_id=environment_id)


def open_window(environment_id: str = "", known: KnownSecrets | None = None) -> int:
    """Open the window, or show the one that is open with the same files; returns the exit status."""
    paths = Paths.find().ensure()
    place = WindowPlace(folder=paths.run / "window")
    held = place.take(environment_id)
    if held is None:
        echo("Agents Runner is open already; its window was brought to the front.")
        return 0
    with held:
        # Imported here: Qt is not needed to find the other window.
        from agents_runner.store.window_state import WindowStateFile
        from agents_runner.ui.one_window import ShownAgain
        from agents_runner.ui.window import run_window

        services = build_services(paths, known=known)
        services.system.window_opened()
        try:
            return run_window(
                services,
                memory=WindowStateFile(path=paths.window_state),
                environment_id=environment_id,
                on_shown=lambda window: ShownAgain(place, window),
            )
        finally:
            services.system.close()
