"""The state machine of a task, and keeping secrets out of texts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.events import TaskState, may_move
from agents_runner.core.redaction import MASK, contains_secret, looks_secret, redact

secrets = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=30)


@given(st.lists(st.sampled_from(TaskState), max_size=12))
def test_every_transition_is_made_once_and_only_forward(moves: list[TaskState]) -> None:
    state, seen = TaskState.QUEUED, [TaskState.QUEUED]
    for move in moves:
        if may_move(state, move):
            assert move not in seen
            state = move
            seen.append(move)
    assert not any(may_move(state, move) for move in TaskState) or not state.final


def test_the_ways_through() -> None:
    names = ["queued", "preparing", "building", "starting", "running", "succeeded"]
    states = [TaskState(name) for name in names]
    assert all(may_move(one, two) for one, two in itertools.pairwise(states))
    assert may_move(TaskState.PREPARING, TaskState.STARTING)
    assert not may_move(TaskState.QUEUED, TaskState.SUCCEEDED)
    assert not may_move(TaskState.FAILED, TaskState.CANCELLED)


@given(st.text(max_size=50), secrets, st.text(max_size=50))
def test_no_secret_stays(before: str, secret: str, after: str) -> None:
    assert not contains_secret(redact(before + secret + after, [secret]), [secret]) or secret in MASK


def test_encodings_are_found_too() -> None:
    assert contains_secret("dG9wLXNlY3JldC12YWx1ZQ==", ["top-secret-value"])
    assert redact("a top%2Fsecret b", ["top/secret"]) == f"a {MASK} b"
    assert redact("abc", ["abc"]) == "abc"  # too short to look for


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("GITHUB_TOKEN", "whatever-it-is", True),
        ("DB_PASSWORD", "hunter22", True),
        ("X", "ghp_" + "a" * 30, True),
        ("X", "sk-" + "a" * 30, True),
        ("KEY", "-----BEGIN RSA PRIVATE KEY-----", True),
        ("PATH", "/usr/bin", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("NODE_ENV", "development", False),
        ("GITHUB_TOKEN", "", False),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str, is_secret: bool) -> None:
    assert looks_secret(name, value) is is_secret
