"""Which images go by themselves: never another's, never what is needed or was just used, oldest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core import container as labels
from agents_runner.core.container import ImageInfo
from agents_runner.core.settings import CachePolicy
from agents_runner.images.catalogue import CachedLayer, plan_clean
from agents_runner.images.retention import DAY_S, GB, GRACE_S, Keep, UsageKnowledge, reasons_to_keep

NOW = 1_000 * DAY_S


def one(name: str, *, days: float = 2, parent: str = "base", instance: str = "us", size: int = GB) -> CachedLayer:
    tag = f"agent-runner-env:{name}"
    values = {labels.IMAGE_REF: tag, labels.IMAGE_INSTANCE: instance}
    image = ImageInfo(id=name, tags=(tag,), labels=values, created=NOW - days * DAY_S)
    return CachedLayer(tag=tag, image=image, own_size=size, parent=parent, users=())


def known(*, needed: str = "", env: str = "", used: dict[str, float] | None = None) -> UsageKnowledge:
    def tag(name: str) -> str:
        return f"agent-runner-env:{name}"

    return UsageKnowledge(
        instance="us",
        needed=frozenset(map(tag, needed.split())),
        environments={tag(name): ("e",) for name in env.split()},
        last_used={tag(name): NOW - days * DAY_S for name, days in (used or {}).items()},
        existing=frozenset({"e"}),
    )


def going(found: tuple[CachedLayer, ...], what: UsageKnowledge, policy: CachePolicy | None = None) -> set[str]:
    stay = reasons_to_keep(found, what, policy or CachePolicy(), NOW)
    return {one.tag.partition(":")[2] for one in found if one.tag not in stay}


def test_the_newest_states_of_an_environment_stay() -> None:
    found = (one("now", days=1), one("before", days=2), one("older", days=3), one("oldest", days=4))
    what = known(needed="now", env="now before older oldest")
    assert going(found, what) == {"older", "oldest"}
    assert going(found, what, CachePolicy(keep_per_environment=1)) == {"before", "older", "oldest"}
    assert going(found, what, CachePolicy(keep_per_environment=3)) == {"oldest"}
    # By use, not by making: who goes back to an older state keeps it.
    assert going(found, known(needed="now", env="now before older oldest", used={"oldest": 0.5})) == {
        "before",
        "older",
    }


def test_nothing_is_collected_when_it_is_off() -> None:
    assert going((one("a", days=999),), known(), CachePolicy(collect=False)) == set()


def test_an_image_of_no_environment_goes_and_one_of_another_installation_stays() -> None:
    assert going((one("gone"), one("theirs", instance="them", days=900)), known()) == {"gone"}


def test_why_something_stays_is_asked_by_its_reason_and_not_by_its_words() -> None:
    theirs, said = one("theirs", instance="them"), str(Keep.OTHERS.value)
    assert reasons_to_keep((theirs,), known(), CachePolicy(), NOW) == {theirs.tag: Keep.OTHERS}
    rules = {theirs.tag: Keep.OTHERS, "agent-runner-env:ours": said}
    plan = plan_clean((theirs, one("ours")), building=frozenset(), reason_to_keep=lambda layer: rules[layer.tag])
    assert [kept.why is Keep.OTHERS for kept in sorted(plan.kept, key=lambda kept: kept.tag)] == [False, True]


def test_what_was_used_just_now_stays_whatever_the_limits_are() -> None:
    fresh = one("fresh", days=(GRACE_S - 1) / DAY_S)
    assert going((fresh,), known(), CachePolicy(max_size_gb=0.001, max_age_days=1)) == set()
    assert going((one("old", days=50),), known(used={"old": 0.01})) == set()


def test_age_counts_from_the_last_use_and_spares_what_is_needed() -> None:
    found = (one("now", days=400), one("before", days=400))
    assert going(found, known(needed="now", env="now before")) == {"before"}
    assert going(found, known(needed="now", env="now before", used={"before": 3})) == set()
    assert going(found, known(needed="now", env="now before"), CachePolicy(max_age_days=None)) == set()


def test_too_many_bytes_take_the_longest_unused_first_and_the_needed_last() -> None:
    found = (one("a", days=9), one("b", days=3), one("needed", days=20))
    what = known(needed="needed", env="a b needed")
    keep = {"keep_per_environment": 5}
    assert going(found, what, CachePolicy(max_size_gb=3, **keep)) == set()
    assert going(found, what, CachePolicy(max_size_gb=2.5, **keep)) == {"a"}
    assert going(found, what, CachePolicy(max_size_gb=1, **keep)) == {"a", "b"}
    assert going(found, what, CachePolicy(max_size_gb=0.5, **keep)) == {"a", "b", "needed"}


def test_steps_go_with_what_stands_on_them() -> None:
    found = (one("step", days=20), one("top", days=20, parent="step"))
    what = known(needed="step top", env="step top")
    assert going(found, what, CachePolicy(max_size_gb=1.5)) == {"top"}
    # The step alone is nobody's state: it does not count as one of the newest.
    assert going((*found, one("other", days=3)), known(env="step top other")) == {"step", "top"}


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.floats(0, 90)), max_size=12),
    st.integers(1, 4),
    st.none() | st.integers(1, 60),
    st.none() | st.floats(0.1, 20),
)
def test_invariants(
    rows: list[tuple[bool, bool, bool, float]], keep: int, age: int | None, size: float | None
) -> None:
    found = tuple(
        one(str(number), days=days, instance="us" if ours else "them")
        for number, (ours, _, _, days) in enumerate(rows)
    )
    needed = {str(number) for number, row in enumerate(rows) if row[1]}
    owned = " ".join(str(number) for number, row in enumerate(rows) if row[2])
    policy = CachePolicy(keep_per_environment=keep, max_age_days=age, max_size_gb=size)
    gone = going(found, known(needed=" ".join(needed), env=owned), policy)
    for item in found:
        name = item.image.id
        if item.instance == "them" or NOW - item.image.created < GRACE_S:
            assert name not in gone
        if size is None and name in needed:
            assert name not in gone


def test_f17_a_clock_that_was_set_back_lets_nothing_go_that_would_have_stayed() -> None:
    """Images of "tomorrow", made or used: they count as used just now until the clock has come that far."""
    found = (one("made", days=-1), one("used", days=40), one("needed", days=-400), one("old", days=40))
    assert going(found, known(needed="needed", env="made used", used={"used": -0.5})) == {"old"}


def test_f17_a_clock_far_ahead_spares_what_is_needed() -> None:
    found = (one("needed", days=4000), one("other", days=4000))
    assert going(found, known(needed="needed", env="needed other")) == {"other"}
