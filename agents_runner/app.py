"""The one wiring place: makes every part and hands it what it works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents_runner.cli.printing import echo
from agents_runner.core.redaction import KnownSecrets
from agents_runner.engine.port import Engine
from agents_runner.images.sharing import FileLockCoordinator
from agents_runner.runner.bench import StartupBench
from agents_runner.runner.diagnostics import Diagnostics
from agents_runner.runner.environment_service import EnvironmentService
from agents_runner.runner.images.building import ImageBuilder
from agents_runner.runner.images.leftovers import LeftoverService, RecordedWork
from agents_runner.runner.images.maintenance import CacheMaintenance
from agents_runner.runner.images.service import ImageService
from agents_runner.runner.machine import Background, EngineSource, HostSource
from agents_runner.runner.secret_service import SecretReader, SecretService
from agents_runner.runner.services import Services
from agents_runner.runner.settings_service import AgentCatalogue, SettingsService
from agents_runner.runner.system_service import SystemService
from agents_runner.runner.task_service import ApartTasks, TaskRunnerFactory, TaskService, builds_at_once
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


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What every use case stands on: the person's files, the engine, and who else works with them."""

    paths: Paths
    found: FoundProblems
    settings: SettingsService
    agents: AgentCatalogue
    database: Database
    files: EnvironmentStore
    tasks: TaskStore
    engine: EngineSource
    hosts: HostSource
    values: ChosenSecrets
    owners: Owners
    coordinator: FileLockCoordinator
    background: Background


def build_services(
    paths: Paths | None = None, engine_there: Engine | None = None, known: KnownSecrets | None = None
) -> Services:
    """Everything wired for this person's files. Raises StoreError where they cannot be written.

    `engine_there`: an engine that is connected already, in place of the one that the settings name. `known` is told
    every secret's value that comes by.
    """
    ground = _ground((paths or Paths.find()).ensure(), engine_there, known or KnownSecrets())
    images, maintenance = _images(ground)
    environments = EnvironmentService(
        files=ground.files, values=ground.values, hosts=ground.hosts, agents=ground.agents, listener=maintenance
    )
    desktop = DesktopService(engine=ground.engine, files=ground.tasks)
    runners = _runners(ground, desktop)
    runner = TaskService(runner=runners.make(ground.files), apart=ApartTasks(background=ground.background))
    diagnostics = Diagnostics(
        log_file=ground.paths.application_log,
        background_log=ground.paths.background_log,
        found=ground.found,
        set_aside=(ground.paths.damaged, ground.paths.damaged_data),
        environments=ground.files,
        tasks=ground.tasks,
    )
    runner.subscribe(maintenance.listen)
    system = SystemService(
        engine=ground.engine,
        paths=ground.paths,
        agents=ground.agents,
        bench=StartupBench(
            engine=ground.engine,
            images=images,
            runners=runners,
            tasks=ground.tasks,
            hosts=ground.hosts,
            owners=ground.owners,
        ),
        maintenance=maintenance,
        diagnostics=diagnostics,
        pictures=WindowPictures(),
        runner=runner,
        parts=(maintenance, ground.owners, desktop, ground.engine, ground.database),
    )
    return Services(
        environments=environments,
        secrets=SecretService(environments=environments, values=ground.values),
        tasks=ground.tasks,
        runner=runner,
        images=images,
        desktop=desktop,
        settings=ground.settings,
        system=system,
        diagnostics=diagnostics,
    )


def _ground(paths: Paths, engine_there: Engine | None, known: KnownSecrets) -> _Ground:
    found = FoundProblems()
    settings = SettingsService(file=SettingsStore(paths=paths, problems=found))
    database = Database(paths, found)
    tasks = TaskStore(paths=paths, database=database)
    engine = EngineSource(settings, engine_there)
    instance = paths.instance_id()
    return _Ground(
        paths=paths,
        found=found,
        settings=settings,
        agents=AgentCatalogue(settings=settings),
        database=database,
        files=EnvironmentStore(paths=paths, problems=found),
        tasks=tasks,
        engine=engine,
        hosts=HostSource(state_dir=paths.data, instance=instance, engine=engine, settings=settings),
        values=ChosenSecrets(
            keyring=KeyringSecrets(instance=instance),
            file=FileSecrets(folder=paths.secrets, damaged=paths.damaged_data),
            settings=settings,
            known=known,
        ),
        owners=Owners(folder=paths.run / "owners"),
        coordinator=FileLockCoordinator(
            root=paths.run / "builds", limit=builds_at_once(settings), failures=tasks.images
        ),
        background=Background(log=paths.background_log),
    )


def _images(ground: _Ground) -> tuple[ImageService, CacheMaintenance]:
    """Cached images: what is asked for, and what is done about them without being asked."""
    leftovers = LeftoverService(
        engine=ground.engine,
        run_dir=ground.paths.run,
        coordinator=ground.coordinator,
        work=RecordedWork(tasks=ground.tasks, owners=ground.owners),
        instance=ground.hosts.instance,
    )
    builder = ImageBuilder(
        engine=ground.engine,
        records=ground.tasks.images,
        run_dir=ground.paths.run,
        secrets=SecretReader(values=ground.values),
        coordinator=ground.coordinator,
    )
    images = ImageService(
        engine=ground.engine,
        hosts=ground.hosts,
        environments=ground.files,
        uses=ground.tasks.images,
        builder=builder,
        settings=ground.settings,
        leftovers=leftovers,
    )
    maintenance = CacheMaintenance(
        images=images,
        uses=ground.tasks.images,
        environments=ground.files,
        tasks=ground.tasks,
        settings=ground.settings,
        background=ground.background,
        leftovers=leftovers,
    )
    builder.subscribe(maintenance)
    return images, maintenance


def _runners(ground: _Ground, desktop: DesktopService) -> TaskRunnerFactory:
    return TaskRunnerFactory(
        engine=ground.engine,
        hosts=ground.hosts,
        agents=ground.agents,
        tasks=ground.tasks,
        paths=ground.paths,
        secrets=SecretReader(values=ground.values),
        owners=ground.owners,
        coordinator=ground.coordinator,
        desktop=desktop,
        settings=ground.settings,
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
