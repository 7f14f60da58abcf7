"""Which cached images go by themselves: pure rules over what is there, who needs it, and when it was last used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents_runner.core.settings import CachePolicy
from agents_runner.images.catalogue import CachedLayer

GRACE_S = 3600.0
"""What was made or used within this time stays: a task that was just planned may be about to start from it."""
DAY_S = 86400.0
GB = 10**9


class Keep(StrEnum):
    """Why an image or a package cache stays, as far as that is a rule's doing: what is asked, and what is shown."""

    OTHERS = "another installation made it"
    NOT_COLLECTED = "images are not collected"
    NEEDED = "an environment needs it"
    JUST_USED = "it was used just now"
    JUST_MADE = "it was made just now"
    NEWEST = "it is one of an environment's newest"
    NOT_ASKED = "it was not asked for"


@dataclass(frozen=True, kw_only=True)
class UsageKnowledge:
    """What this installation knows of images; times in seconds since the epoch."""

    instance: str
    needed: frozenset[str]
    """Tags of the environments' layers as they stand now."""
    environments: Mapping[str, tuple[str, ...]]
    """Tag to the ids of the environments that it was made for or used by."""
    last_used: Mapping[str, float]
    existing: frozenset[str]
    """Ids of the environments that there are."""


def reasons_to_keep(
    found: tuple[CachedLayer, ...], known: UsageKnowledge, policy: CachePolicy, now: float
) -> Mapping[str, str]:
    """Tag to why it stays, for all that are to stay; what is not named here may go.

    Never goes: another installation's, one that was made or used within the last hour, and (unless all are too big
    together) what an environment needs as it stands. `images.catalogue.clean` spares what containers and builds use.
    """
    if not policy.collect:
        return {one.tag: Keep.NOT_COLLECTED for one in found}
    rules = _Rules(found=found, known=known, policy=policy, now=now)
    stay = {one.tag: why for one in found if (why := rules.why(one))}
    if policy.max_size_gb is not None:
        rules.shrink(stay, policy.max_size_gb * GB)
    return stay


@dataclass(frozen=True, kw_only=True)
class _Rules:
    found: tuple[CachedLayer, ...]
    known: UsageKnowledge
    policy: CachePolicy
    now: float

    def used(self, one: CachedLayer) -> float:
        return max(self.known.last_used.get(one.tag, 0.0), one.image.created)

    def why(self, one: CachedLayer) -> str:
        if one.instance != self.known.instance:
            return Keep.OTHERS
        if not one.named:
            return ""  # no plan finds it any more
        if one.tag in self.known.needed:
            return Keep.NEEDED
        if self.now - self.used(one) < GRACE_S:
            return Keep.JUST_USED
        if self._too_old(one):
            return ""
        return Keep.NEWEST if self._among_the_newest(one) else ""

    def _too_old(self, one: CachedLayer) -> bool:
        days = self.policy.max_age_days
        return days is not None and self.now - self.used(one) >= days * DAY_S

    def _among_the_newest(self, one: CachedLayer) -> bool:
        """One of the last states of some environment; its present state is one of the number."""
        if one.image.id in {other.parent for other in self.found}:
            return False  # a step below another: it stays with that one, or goes
        return any(
            one.tag in self._newest(environment)
            for environment in self.known.environments.get(one.tag, ())
            if environment in self.known.existing
        )

    def _newest(self, environment: str) -> frozenset[str]:
        parents = {other.parent for other in self.found}
        states = [
            one
            for one in self.found
            if environment in self.known.environments.get(one.tag, ())
            and one.tag not in self.known.needed
            and one.image.id not in parents
        ]
        states.sort(key=self.used, reverse=True)
        return frozenset(one.tag for one in states[: self.policy.keep_per_environment - 1])

    def shrink(self, stay: dict[str, str], limit: float) -> None:
        """Let go of what was unused for longest until the rest fits, what an environment needs last."""
        left = [one for one in self.found if one.instance == self.known.instance and one.tag in stay]
        while sum(one.own_size for one in left) > limit:
            # Only what nothing stands on frees anything.
            below = {one.parent for one in left}
            tops = [one for one in left if one.image.id not in below and self.now - self.used(one) >= GRACE_S]
            if not tops:
                return
            going = min(tops, key=lambda one: (one.tag in self.known.needed, self.used(one)))
            left.remove(going)
            del stay[going.tag]
