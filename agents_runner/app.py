"""The one wiring place: makes every part and hands it what it works with."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agents_runner.agents import registry
from agents_runner.cli.printing import say
from agents_runner.core.checks import FieldProblem
from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput
from agents_runner.core.redaction import KnownSecrets
from agents_runner.core.task import Task
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.engine.port import Engine
from agents_runner.images.mini_base import import_mini_base
from agents_runner.images.sharing import FileLockCoordinator
from agents_runner.runner.bench import StartupBench
from agents_runner.runner.diagnostics import Diagnostics
from agents_runner.runner.doctor import run_doctor
from agents_runner.runner.images.leftovers import LeftoverService, RecordedWork
from agents_runner.runner.images.maintenance import CacheMaintenance, WatchedEnvironments
from agents_runner.runner.images.service import ImageService
from agents_runner.runner.secret_service import EnvironmentsWithSecrets, SecretService
from agents_runner.runner.services import ImportOffer, Services, TaskRequest
from agents_runner.runner.tasks.desktop import DesktopService
from agents_runner.runner.tasks.login import write_refreshed
from agents_runner.runner.tasks.plan_launch import Host, problems_of, this_host
from agents_runner.runner.tasks.task_runner import TaskRunner
from agents_runner.runner.tasks.test_preflight import preflight_test
from agents_runner.store.application_log import MAX_BYTES, put_aside
from agents_runner.store.database import Database
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.found_problems import FoundProblems
from agents_runner.store.one_window import WindowPlace
from agents_runner.store.owners import Owners
from agents_runner.store.paths import Paths
from agents_runner.store.secret_values import ChosenSecrets, FileSecrets, KeyringSecrets
from agents_runner.store.settings import SettingsStore
from agents_runner.store.tasks import TaskStore
from agents_runner.store.window_state import WindowStateFile

STOP_TASKS_S = 4.0
"""How long the end of the application waits for its tasks to stop, in seconds; the whole of it takes 5 s at most."""


class EngineSource:
    """One shared engine, connected on first use and again after it was lost; safe from every thread."""

    def __init__(self, settings: SettingsStore, engine: Engine | None = None) -> None:
        self._settings = settings
        self._engine = engine
        self._lock = threading.Lock()

    def __call__(self) -> Engine:
        with self._lock:
            if self._engine is None:
                # Imported here: docker-py costs a third of the start-up of a command that needs no engine.
                from agents_runner.engine.docker_engine import connect

                self._engine = connect(self._settings.current().docker_host)
            return self._engine

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def build_services(
    paths: Paths | None = None, engine_there: Engine | None = None, known: KnownSecrets | None = None
) -> Services:
    """Everything wired for this person's files. Raises StoreError where they cannot be written.

    `engine_there`: an engine that is connected already, in place of the one that the settings name. `known` is told
    every secret's value that comes by.
    """
    paths = (paths or Paths.find()).ensure()
    found = FoundProblems()
    settings = SettingsStore(paths=paths, problems=found)
    database = Database(paths, found)
    files = EnvironmentStore(paths=paths, problems=found)
    tasks = TaskStore(paths=paths, database=database)
    engine = EngineSource(settings, engine_there)
    instance = paths.instance_id()
    values = ChosenSecrets(
        keyring=KeyringSecrets(instance=instance),
        file=FileSecrets(folder=paths.secrets, damaged=paths.damaged_data),
        storage=lambda: settings.current().secret_storage,
        known=known or KnownSecrets(),
    )
    environments = EnvironmentsWithSecrets(environments=files, values=values)

    def host() -> Host:
        return this_host(paths.data, instance, engine().info())

    def planning_host() -> Host:
        """For checks that must work without an engine."""
        return this_host(paths.data, instance)

    def agent_launch(name: str, args: tuple[str, ...]) -> AgentLaunch:
        agent = registry.resolve(name, settings.current())
        return registry.launch(agent, args=args, home=Path.home())

    def check(environment: Environment) -> tuple[FieldProblem, ...]:
        found = problems_of(environment, planning_host())
        try:
            registry.resolve(environment.agent, settings.current())
        except InvalidInput as error:
            found = (*found, FieldProblem.of(error))
        return found

    secrets = SecretService(environments=environments, values=values, check_environment=check)

    in_background = partial(run_in_background, paths)

    limits = settings.current()
    coordinator = FileLockCoordinator(
        root=paths.run / "builds", limit=limits.max_builds or os.cpu_count() or 1, failures=tasks.images
    )
    desktop = DesktopService(engine=engine, files=tasks)
    owners = Owners(folder=paths.run / "owners")
    leftovers = LeftoverService(
        engine=engine,
        run_dir=paths.run,
        coordinator=coordinator,
        work=RecordedWork(tasks=tasks, owners=owners),
        instance=instance,
    )

    keeper = CacheMaintenance(
        images=lambda: images,
        uses=tasks.images,
        environments=environments,
        environment_of=lambda task: tasks.get(task).environment_id,
        policy=lambda: settings.current().cache,
        background=in_background,
        leftovers=leftovers,
    )

    def make_runner(environment: Callable[[str], Environment]) -> TaskRunner:
        return TaskRunner(
            engine=engine,
            host=host,
            environment=environment,
            agent_launch=agent_launch,
            records=tasks,
            run_dir=paths.run,
            workspaces=paths.workspaces,
            accept_login=write_refreshed,
            image_used=tasks.images.started,
            secret_values=secrets.values_of,
            owners=owners,
            coordinator=coordinator,
            open_door=desktop.open,
            keep_picture=desktop.keep_picture,
            max_running=limits.max_running_tasks,
            log_file=paths.application_log,
            max_log_mb=lambda: settings.current().max_log_mb,
        )

    runner = make_runner(environments.get)
    runner.subscribe(keeper.listen)

    def work_apart(task_id: str) -> None:
        in_background(("tasks", "work", task_id))

    def detach(request: TaskRequest) -> Task:
        task = runner.prepare(request)
        work_apart(task.id)
        return task

    def demo_folder() -> Path:
        folder = paths.workspaces / "demo"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.resolve()

    def close() -> None:
        runner.close(STOP_TASKS_S)
        for part in (keeper, owners, desktop, engine, database):
            part.close()

    images = ImageService(
        engine=engine,
        host=host,
        environments=environments.list,
        uses=tasks.images,
        run_dir=paths.run,
        coordinator=coordinator,
        policy=lambda: settings.current().cache,
        after_build=keeper.built,
        leftovers=leftovers,
        secret_values=secrets.values_of,
    )
    diagnostics = Diagnostics(
        log_file=paths.application_log,
        found=found,
        set_aside=(paths.damaged, paths.damaged_data),
        environments=files,
        tasks=tasks,
    )
    services = Services(
        environments=WatchedEnvironments(store=environments, saved=keeper.saved),
        tasks=tasks,
        runner=runner,
        images=images,
        secrets=secrets,
        agents=lambda: registry.agent_names(settings.current()),
        settings=settings.current,
        save_settings=settings.save,
        engine_info=lambda: engine().info(),
        check_environment=check,
        doctor=lambda: run_doctor(
            engine_info=lambda: engine().info(),
            folders=lambda: str(paths.ensure().data),
            agent_logins=registry.logins(Path.home()),
            diagnostics=diagnostics,
        ),
        import_environments=files.import_file,
        export_environment=files.export,
        detach=detach,
        resume=runner.start,
        recover=lambda here: runner.recover(None if here else work_apart),
        bench_startup=StartupBench(engine=engine, images=images, runner=make_runner, forget=tasks.delete).run,
        import_demo_base=lambda: import_mini_base(engine()),
        picture=lambda path, environment_id: write_picture(services, path, environment_id),
        wait=time.sleep,
        close=close,
        desktop=desktop,
        diagnostics=diagnostics,
        demo_folder=demo_folder,
        window_opened=keeper.started,
        discover=read_offers,
        test_preflight=lambda environment, fresh: runner.submit(preflight_test(environment, fresh=fresh)),
    )
    return services


def run_in_background(paths: Paths, words: tuple[str, ...]) -> None:
    """Run the command line with these words in a process of its own that outlives this one."""
    with contextlib.suppress(OSError):
        put_aside(paths.background_log, MAX_BYTES)
    with paths.background_log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "agents_runner", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def read_offers(folder: Path) -> tuple[ImportOffer, ...]:
    # Imported here, as with docker-py: the importers are a third of what a start would load.
    from agents_runner.runner import importing

    return importing.read_offers(folder)


def write_picture(services: Services, path: Path, environment_id: str) -> None:
    from agents_runner.ui.snapshot import write_snapshot

    write_snapshot(services, path, environment_id=environment_id)


def open_window(environment_id: str = "", known: KnownSecrets | None = None) -> int:
    """Open the window, or show the one that is open with the same files; returns the exit status."""
    paths = Paths.find().ensure()
    place = WindowPlace(folder=paths.run / "window")
    held = place.take(environment_id)
    if held is None:
        say("Agents Runner is open already; its window was brought to the front.")
        return 0
    with held:
        # Imported here: Qt is not needed to find the other window.
        from agents_runner.ui.one_window import ShownAgain
        from agents_runner.ui.window import run_window

        services = build_services(paths, known=known)
        services.window_opened()
        try:
            return run_window(
                services,
                environment_id=environment_id,
                memory=WindowStateFile(path=paths.window_state),
                on_shown=lambda window: ShownAgain(place, window),
            )
        finally:
            services.close()
