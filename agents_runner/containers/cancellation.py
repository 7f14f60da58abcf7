"""How whoever follows a container learns that it is to end, or that it is to be left alone."""

from __future__ import annotations

from typing import Protocol


class Cancellation(Protocol):
    """Tells whether somebody asked to stop; cheap enough to ask ten times a second."""

    def is_set(self) -> bool:
        """Raises Detached where whoever follows the container is to let go of it and leave it as it is."""
        ...
