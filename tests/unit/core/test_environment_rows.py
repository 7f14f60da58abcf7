"""One row an environment's field: the table is whole, and whatever is made of it follows it."""

from __future__ import annotations

import importlib.util
import types
from pathlib import Path

import pytest

from agents_runner.cli.main import run_command
from agents_runner.core.environment import Environment
from agents_runner.core.environment_rows import BY_NAME, ENVIRONMENT_ROWS, FIXED, PARTS, Kind, Page
from agents_runner.core.field_values import read_field

ROOT = Path(__file__).parents[3]


def _fields() -> set[str]:
    whole = {name for name in Environment.model_fields if name not in (*FIXED, *PARTS)}
    return whole | {f"{part}.{name}" for part, model in PARTS.items() for name in model.model_fields}


def _script() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("environment_table", ROOT / "scripts" / "environment_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_field_has_one_row_and_every_row_a_field() -> None:
    assert len(BY_NAME) == len(ENVIRONMENT_ROWS)
    assert set(BY_NAME) == _fields()


def test_rows_of_the_form_have_a_name_for_their_editor() -> None:
    shown = [row for row in ENVIRONMENT_ROWS if row.page is not Page.NONE and row.kind is not Kind.SECRETS]
    assert [row.name for row in shown if not row.widget] == []
    assert len({row.widget for row in shown}) == len(shown)
    assert [row.name for row in ENVIRONMENT_ROWS if not row.text.endswith(".")] == []


@pytest.mark.parametrize("page", [page for page in Page if page is not Page.NONE])
def test_no_two_fields_of_a_page_have_one_access_key(page: Page) -> None:
    # The name stands above every page.
    rows = [row for row in ENVIRONMENT_ROWS if row.page in (page, Page.TOP)]
    keys = [row.label[row.label.index("&") + 1].lower() for row in rows if "&" in row.label]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("row", ENVIRONMENT_ROWS, ids=lambda row: row.name)
def test_a_rows_kind_and_choices_are_the_models(row: object) -> None:
    found = BY_NAME[getattr(row, "name")]  # noqa: B009
    default = found.default if found.name != "name" else "x"
    kinds = {
        Kind.SWITCH: bool,
        Kind.NUMBER: (int, float, type(None)),
        Kind.LIST: tuple,
        Kind.WORDS: tuple,
        Kind.SECRETS: tuple,
        Kind.PAIRS: dict,
        Kind.MAPPING: dict,
    }
    if found.kind in kinds:
        assert isinstance(default, kinds[found.kind])  # type: ignore[arg-type]
    for choice in found.choices:
        head = found.name.partition(".")[0]
        Environment.model_validate({"id": "x", "name": "x", head: _chosen(found.kind, choice.value)})


def _chosen(kind: Kind, value: str) -> object:
    return {"type": value, "path": "/x", "url": "u"} if kind is Kind.WORKSPACE else value


def test_what_a_choice_offers_can_be_typed() -> None:
    for row in ENVIRONMENT_ROWS:
        if row.kind is Kind.CHOICE:
            assert [read_field(row.name, choice.value) for choice in row.choices] == [
                choice.value for choice in row.choices
            ]


def test_the_documents_table_is_the_rows() -> None:
    script = _script()
    page = (ROOT / "docs" / "environments.md").read_text("utf-8")
    assert script.with_table(page) == page
    assert page.count("\n| `") == len(ENVIRONMENT_ROWS)
    for row in ENVIRONMENT_ROWS:
        assert f"| `{row.name}` |" in page


@pytest.mark.parametrize("words", [("env", "edit"), ("env", "create"), ("env", "show")])
def test_the_command_lines_help_names_every_field(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    def no_services() -> object:
        raise AssertionError("help needs no services")

    with pytest.raises(SystemExit) as ended:
        run_command((*words, "--help"), no_services, lambda _name: 0)  # type: ignore[arg-type]
    assert ended.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    for row in ENVIRONMENT_ROWS:
        assert any(line.split()[:1] == [row.name] and row.text in line for line in lines), row.name
