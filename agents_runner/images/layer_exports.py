"""What a cached preflight exports, from its ended container into the layer's own files."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from agents_runner.containers.control_folder import read_state
from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.events import Event, Notice
from agents_runner.core.redaction import contains_secret
from agents_runner.engine.port import Engine
from agents_runner.launcher import exports


def carry_exports(
    engine: Engine, container: str, parent: ImageInfo, *, secrets: Mapping[str, str], lost: bool
) -> Generator[Event, None, None]:
    """Write them into the container before its commit, without secrets. `lost`: the launcher has said that they are.

    Raises FileRefused where something else than a plain file stands in an export's place, and EngineErrors.
    """
    # Asked for in any case: what is no plain file there must not become part of a layer.
    below = engine.get_file(container, exports.IMAGE_EXPORTS) or b""
    engine.get_file(container, exports.IMAGE_FUNCTIONS)
    after = read_state(engine, container, "00.after")
    if after is None:
        if lost:
            yield Notice(
                message="The cached preflight replaced its shell (exec), so what it exported is lost.",
                hint="Start the last program without exec.",
            )
        return
    # Only an image with our labels, inherited ones included, can have it from us.
    known = exports.parse_exports(below) if labels.IMAGE_MANAGED in parent.labels else {}
    changed = exports.difference(
        exports.parse_exports(read_state(engine, container, "00.before") or b""), exports.parse_exports(after)
    )
    carried = known | changed
    carried, dropped = exports.without_secret_values(carried, secrets)
    if dropped:
        yield Notice(
            message=f"Not baked into the image, since it looks like a secret: {', '.join(dropped)}.",
            hint="Export it in the run preflight, or make it a variable of the environment.",
        )
    if exports.render_exports(carried) != below:
        engine.put_file(container, exports.IMAGE_EXPORTS, exports.render_exports(carried))
    functions = read_state(engine, container, "functions.bash")
    if functions and contains_secret(functions.decode("utf-8", "replace"), secrets.values()):
        yield Notice(message="Not baked into the image, since it holds a secret: an exported function.")
    elif functions:
        engine.put_file(container, exports.IMAGE_FUNCTIONS, functions)
