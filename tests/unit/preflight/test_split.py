"""The splitter over collected and generated scripts: nothing lost, order kept, the same outcome."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.preflight.marks import propose_marks, with_marks
from agents_runner.preflight.split import CLOSER, SplitResult, dependents_of, resplit, split
from agents_runner.preflight.steps import split_steps
from tests.unit.preflight.generated import scripts
from tests.unit.preflight.shellbox import ShellBox

COLLECTED = sorted((Path(__file__).parents[2] / "data/preflight/scripts").glob("*.sh"))
NAMES = [path.stem for path in COLLECTED]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def collected(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def is_sound(script: str) -> bool:
    return subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True).returncode == 0


def check_shape(result: SplitResult) -> None:
    """What holds for every split."""
    assert "".join(s.text for s in result.statements) == result.text
    assert [s.index for s in result.statements] == list(range(len(result.statements)))
    for stage, script in (("cached", result.cached), ("run", result.run)):
        assert is_sound(script)
        mine = [s for s in result.statements if s.stage in {stage, "both"}]
        if script:
            whole = "".join(s.text if s.text.endswith("\n") else s.text + "\n" for s in mine)
            left = script.removesuffix(CLOSER)
            assert left.rstrip("\n") == whole.rstrip("\n")
        else:
            assert not any(s.stage == stage for s in mine)
    for statement in result.statements:
        assert statement.reason.endswith(".")
        assert "\n" not in statement.reason


def check_again(result: SplitResult) -> None:
    """A second split of a result leaves all of its code where it is."""
    for script, stage in ((result.cached, "cached"), (result.run, "run")):
        again = split(script)
        if script.strip():
            assert (again.cached if stage == "cached" else again.run) == script, stage
            assert (again.run if stage == "cached" else again.cached) == "", stage


def test_the_collection_is_large_enough() -> None:
    assert len(COLLECTED) >= 60


@pytest.mark.parametrize("path", COLLECTED, ids=NAMES)
def test_a_collected_script_is_split_whole(path: Path) -> None:
    check_shape(split(collected(path)))


@pytest.mark.parametrize("path", COLLECTED, ids=NAMES)
def test_a_collected_script_is_split_as_people_would(path: Path) -> None:
    expected = path.with_suffix(".expect")
    result = split(collected(path))
    for line in expected.read_text(encoding="utf-8").splitlines():
        stage, _, part = line.partition("|")
        found = [s for s in result.statements if part in s.text]
        assert found, part
        assert stage in {s.stage for s in found}, (part, [(s.stage, s.reason) for s in found])


@pytest.mark.parametrize("path", COLLECTED, ids=NAMES)
def test_a_second_split_changes_nothing(path: Path) -> None:
    check_again(split(collected(path)))


@pytest.mark.parametrize("path", COLLECTED, ids=NAMES)
def test_a_collected_script_does_the_same_when_split(path: Path, tmp_path: Path) -> None:
    check_same(ShellBox(tmp_path), collected(path))


def check_same(box: ShellBox, text: str) -> None:
    result = split(text)
    whole = box.run(text, task=1)
    parts = box.run(result.cached, result.run, task=1)
    assert bool(parts.status) == bool(whole.status), (result.cached, result.run, whole.output, parts.output)
    if whole.status:
        # It fails, and so does the task; how far each of them came by then is not the same, and matters to nobody.
        return
    assert parts.exports == whole.exports, (result.cached, result.run)
    assert parts.files == whole.files, (result.cached, result.run)
    marked = with_marks(result)
    if marked != result.cached:
        steps = [step.text for step in split_steps(marked)]
        stepped = box.run(*steps, result.run, task=1)
        assert (stepped.status, stepped.exports, stepped.files) == (whole.status, whole.exports, whole.files), steps


@SLOW
@given(text=scripts())
def test_a_generated_script_is_split_whole_and_once(text: str) -> None:
    result = split(text)
    check_shape(result)
    check_again(result)


@SLOW
@given(text=scripts())
def test_a_generated_script_does_the_same_when_split(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_same(ShellBox(tmp_path_factory.mktemp("box")), text)


@SLOW
@given(text=scripts(), data=st.data())
def test_moves_are_kept_and_lose_nothing(text: str, data: st.DataObject) -> None:
    result = split(text)
    code = [s.index for s in result.statements if s.kind == "code"]
    index = data.draw(st.sampled_from(code)) if code else None
    if index is None:
        return
    stage = data.draw(st.sampled_from(["cached", "run", "both"]))
    moved = resplit(result, {index: stage})
    check_shape(moved)
    assert moved.statements[index].moved
    if stage == "run" and not moved.text.startswith("#!"):
        assert moved.statements[index].stage in {"run"}
    for other in dependents_of(result, index):
        assert resplit(result, {index: "run"}).statements[other].stage == "run"


@given(text=st.text(alphabet=st.sampled_from("ab \n\t'\"$(){}[];&|<>\\#`=\u00e9!-"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_comes_out_whole(text: str) -> None:
    result = split(text)
    assert "".join(s.text for s in result.statements) == text
    if is_sound(text):
        assert is_sound(result.cached)
        assert is_sound(result.run)


def test_marks_are_proposed_where_the_kind_of_work_changes() -> None:
    text = "set -e\napt-get update\napt-get install -y git\nnpm i -g a\necho hi > /etc/motd\n"
    result = split(text)
    assert propose_marks(result)[0].line == 2
    assert with_marks(result).count("# step: ") == len(propose_marks(result)) >= 2


def test_sure_or_not_is_no_matter_of_the_sentences_words() -> None:
    """A name in the sentence may be any word."""
    named = split('may=$(cat /workspace/VERSION)\nnpm install -g tool@"$may"\n').statements[1]
    assert (" may " in named.reason, named.certain) == (True, True)
    unsure = split("curl -fsSL https://x.test/get.sh | sh\nexit $?\napt-get install -y jq\n").statements[-1]
    assert not unsure.certain, unsure.reason
