"""How soon a desktop answers: a task's from its cached image, against the same by hand in a bare `docker run`.

    python scripts/bench_desktop.py [--base IMAGE] [--runs N] [--json]

Both start from the same cached desktop image and are measured in turns within one run: from the request (a task
submitted, `docker run` called) to the VNC server's greeting over a WebSocket. Without --base the tests' Debian
is used.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agents_runner.app import build_services
from agents_runner.core.environment import Environment, FolderWorkspace
from agents_runner.core.errors import NoDesktop
from agents_runner.runner.services import Services, TaskRequest
from agents_runner.store.paths import Paths

GREETING = b"RFB 003.008\n"
PATIENCE_S = 60.0
RATIO = 1.5
BY_HAND = (
    "Xvnc :1 -geometry 1280x800 -depth 24 -localhost -SecurityTypes None & DISPLAY=:1 fluxbox & "
    "websockify --web /usr/share/novnc 6080 localhost:5901 & wait"
)
WAITS = "while :; do sleep 1; done"


def answers(url: str, protocols: list[str]) -> bool:
    """True once the VNC server's greeting comes over this WebSocket."""
    try:
        with connect(url, subprotocols=protocols, compression=None, open_timeout=5) as proxy:  # type: ignore[arg-type]
            return proxy.recv(timeout=5) == GREETING
    except (OSError, WebSocketException, EOFError):
        return False


def by_hand(image: str) -> float:
    began = time.perf_counter()
    run = ["docker", "run", "-d", "--init", "-p", "127.0.0.1::6080", "--label", "agents-runner.bench=desktop"]
    made = subprocess.run(
        [*run, image, "sh", "-c", BY_HAND], capture_output=True, check=True, text=True
    ).stdout.strip()
    try:
        said = subprocess.run(["docker", "port", made, "6080"], capture_output=True, check=True, text=True).stdout
        url = f"ws://{said.split()[0]}/websockify"
        return _until(lambda: answers(url, ["binary"]), began)
    finally:
        subprocess.run(["docker", "rm", "-f", made], capture_output=True, check=True)


def by_task(services: Services, environment: Environment) -> float:
    began = time.perf_counter()
    task = services.runner.submit(TaskRequest(environment_id=environment.id, prompt=WAITS))

    def look() -> bool:
        try:
            base, _, token = services.desktop.address(task.id).url.partition("#token=")
        except NoDesktop:
            return False
        return answers(base.replace("http://", "ws://") + "vnc", ["binary", f"token.{token}"])

    try:
        return _until(look, began)
    finally:
        services.runner.stop(task.id)
        while not services.tasks.get(task.id).state.final:
            time.sleep(0.02)


def _until(look, began: float) -> float:  # type: ignore[no-untyped-def]
    while not look():
        if time.perf_counter() - began > PATIENCE_S:
            raise SystemExit("The desktop does not answer.")
        time.sleep(0.005)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agents-runner-bench-") as folder:
        workspace = Path(folder) / "workspace"
        workspace.mkdir()
        services = build_services(Paths(config=Path(folder) / "home", data=Path(folder) / "home"))
        try:
            result = _measure(services, args.base or _debian(services), workspace, args.runs)
        finally:
            services.system.close()
    if args.json:
        print(json.dumps(result))
    else:
        for name in ("by_hand_s", "task_s"):
            print(
                f"{name:10} {' '.join(f'{one:.2f}' for one in result[name])}  median {result[name + '_median']:.2f}"
            )
        print(f"ratio      {result['ratio']:.2f} (goal: at most {RATIO})")
    return 0 if result["ratio"] <= RATIO else 1


def _debian(_services: Services) -> str:
    from agents_runner.engine.docker_engine import connect as engine
    from tests.support.debian import debian_base

    found = engine()
    try:
        return debian_base(found)
    finally:
        found.close()


def _measure(services: Services, base: str, workspace: Path, runs: int) -> dict[str, object]:
    environment = services.environments.save(
        Environment(
            id="bench-desktop",
            name="bench-desktop",
            base_image=base,
            agent="shell",
            workspace=FolderWorkspace(path=str(workspace)),
            headless_desktop_enabled=True,
            cache_desktop_build=True,
        )
    )
    for _ in services.images.build(environment):
        pass
    image = services.images.plan(environment).plan.image
    by_hand(image), by_task(services, environment)  # once for the machine's own caches
    pairs = [(by_hand(image), by_task(services, environment)) for _ in range(runs)]
    hand, task = [one for one, _ in pairs], [other for _, other in pairs]
    middle = statistics.median(hand), statistics.median(task)
    return {
        "by_hand_s": hand,
        "task_s": task,
        "by_hand_s_median": middle[0],
        "task_s_median": middle[1],
        "ratio": middle[1] / middle[0],
    }


if __name__ == "__main__":
    sys.exit(main())
