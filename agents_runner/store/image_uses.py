"""What is remembered of cached images: who used them, which plans hold them, and which builds failed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agents_runner.core.clock import Clock
from agents_runner.store.database import Database

CLOCK_SLACK_S = 60.0
"""By how much two looks at the clock may be out of order without its having been set back."""


class ImageUse(NamedTuple):
    """`last_used` in seconds since the epoch, None if never; `seconds_saved` over all hits."""

    last_used: float | None
    hits: int
    environments: tuple[str, ...]
    """Ids of the environments that built or used it or whose last plan holds it."""
    seconds_saved: float


@dataclass(frozen=True, kw_only=True)
class ImageUses:
    """How images were used and how builds went, by tag. `clock` gives seconds since the epoch.

    Every call raises StoreError where the database cannot be used.
    """

    database: Database
    clock: Clock = time.time

    def used(self, tag: str, environment_id: str, seconds_saved: float = 0.0, *, hit: bool = True) -> None:
        """A task of this environment started from this image, so many seconds sooner than without it.

        Not a `hit` if the image was only built for that very task.
        """
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO image_uses (tag, environment_id, last_used, hits, seconds_saved) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (tag, environment_id) DO UPDATE SET last_used = excluded.last_used, "
                "hits = hits + excluded.hits, seconds_saved = seconds_saved + excluded.seconds_saved",
                (tag, environment_id, self.clock(), int(hit), seconds_saved),
            )

    def started(self, tag: str, environment_id: str) -> None:
        """A task starts from it now; whether that was a hit is known at its end."""
        self.used(tag, environment_id, hit=False)

    def built(self, tag: str, environment_id: str, seconds: float) -> None:
        """This layer was built for this environment, in so many seconds."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO image_builds (tag, environment_id, built, seconds) VALUES (?, ?, ?, ?)",
                (tag, environment_id, self.clock(), seconds),
            )

    def build_seconds(self, tags: Iterable[str]) -> float:
        """How long these layers took to build, together; those that nobody remembers count nothing."""
        wanted = set(tags)
        with self.database.reading() as connection:
            rows = connection.execute("SELECT tag, MAX(seconds) FROM image_builds GROUP BY tag").fetchall()
        return float(sum(row[1] for row in rows if row[0] in wanted))

    def last_builds(self) -> Mapping[str, float]:
        """Environment id to when one of its layers was last built, in seconds since the epoch."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT environment_id, MAX(built) FROM image_builds GROUP BY 1").fetchall()
        return {str(row[0]): float(row[1]) for row in rows}

    def forget(self, tags: Iterable[str]) -> None:
        """These images are gone for good: who built them is of no more use."""
        with self.database.transaction() as connection:
            connection.executemany("DELETE FROM image_builds WHERE tag = ?", [(tag,) for tag in tags])

    def refresh_tried(self, environment_id: str) -> float | None:
        """When a refresh of this environment was last begun, in seconds since the epoch."""
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT tried FROM refreshes WHERE environment_id = ?", (environment_id,)
            ).fetchone()
        return None if row is None else float(row[0])

    def claim_refresh(self, environment_id: str, within_s: float) -> bool:
        """True for the one process that may refresh it now: nobody has tried within so many seconds."""
        with self.database.transaction() as connection:
            now = self.clock()
            done = connection.execute(
                "INSERT INTO refreshes (environment_id, tried) VALUES (?, ?) ON CONFLICT (environment_id) "
                "DO UPDATE SET tried = excluded.tried WHERE tried NOT BETWEEN ? AND ?",
                (environment_id, now, now - within_s, now + CLOCK_SLACK_S),
            )
            return done.rowcount > 0

    def all(self) -> Mapping[str, ImageUse]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT tag, MAX(last_used), SUM(hits), SUM(seconds_saved) FROM image_uses GROUP BY tag"
            ).fetchall()
            links = connection.execute(
                "SELECT tag, environment_id FROM plans UNION SELECT tag, environment_id FROM image_uses "
                "UNION SELECT tag, environment_id FROM image_builds ORDER BY 1, 2"
            ).fetchall()
        environments: dict[str, list[str]] = {}
        for tag, environment_id in links:
            environments.setdefault(tag, []).append(environment_id)
        used = {row[0]: row for row in rows}
        return {
            tag: ImageUse(
                last_used=used[tag][1] if tag in used else None,
                hits=used[tag][2] if tag in used else 0,
                environments=tuple(ids),
                seconds_saved=used[tag][3] if tag in used else 0.0,
            )
            for tag, ids in environments.items()
        }

    def plan_seen(self, environment_id: str, tags: Iterable[str]) -> None:
        """The layers of an environment's plan as it stands now, in place of what it was."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM plans WHERE environment_id = ?", (environment_id,))
            connection.executemany(
                "INSERT OR IGNORE INTO plans (environment_id, tag) VALUES (?, ?)",
                [(environment_id, tag) for tag in tags],
            )

    def plan_of(self, environment_id: str) -> tuple[str, ...]:
        """The tags of the last plan that was seen, sorted."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT tag FROM plans WHERE environment_id = ? ORDER BY tag", (environment_id,)
            ).fetchall()
        return tuple(row[0] for row in rows)

    def build_failed(self, key: str, reason: str) -> None:
        """Remember that the layer of this key could not be built just now."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO build_failures (key, reason, failed) VALUES (?, ?, ?)",
                (key, reason, self.clock()),
            )

    def recent_build_failure(self, key: str, within_s: float) -> str | None:
        """Why the last build of this key failed, if that is at most so many seconds ago."""
        with self.database.reading() as connection:
            now = self.clock()
            row = connection.execute(
                # A failure of later than now was noted by a clock that was ahead: it must not count for ever.
                "SELECT reason FROM build_failures WHERE key = ? AND failed BETWEEN ? AND ?",
                (key, now - within_s, now + CLOCK_SLACK_S),
            ).fetchone()
        return None if row is None else str(row[0])
