"""A pull's progress: the engine's lines for each layer, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents_runner.core.errors import EngineRefused, ImageMissing, NoSpace
from agents_runner.engine.port import PullProgress

_HINT = "Check the name and the network; for a private registry log in with `docker login` first."


def pull_progress(lines: Iterable[Mapping[str, Any] | None], ref: str) -> Iterator[PullProgress]:
    """Yields at least every tick (an empty `text` then); raises what an error line says."""
    layers: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line is None:
            yield PullProgress(text="")
            continue
        if "error" in line:
            raise _error(str(line["error"]), ref)
        detail = line.get("progressDetail") or {}
        if line.get("id") and detail.get("total"):
            layers[str(line["id"])] = (int(detail.get("current") or 0), int(detail["total"]))
        yield PullProgress(
            text=str(line.get("status") or ""),
            done=sum(done for done, _ in layers.values()),
            total=sum(total for _, total in layers.values()),
        )


def _error(text: str, ref: str) -> ImageMissing | NoSpace | EngineRefused:
    lowered = text.lower()
    if "no space left" in lowered:
        return NoSpace(f"The engine's disk is full (pull {ref}).", "Free some space first.")
    if any(word in lowered for word in ("not found", "manifest unknown", "does not exist", "denied")):
        return ImageMissing(f"The image {ref} cannot be pulled: {text.rstrip('.')}.", _HINT)
    return EngineRefused(f"The image {ref} cannot be pulled: {text.rstrip('.')}.", _HINT)
