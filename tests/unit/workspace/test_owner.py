"""A live folder of another owner is named before the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.workspace.owner import foreign_owner


def test_a_folder_of_ones_own_and_one_that_is_gone_are_not_named(tmp_path: Path) -> None:
    assert foreign_owner(str(tmp_path)) is None
    assert foreign_owner(str(tmp_path / "gone")) is None
    for nowhere in ("~nobody-of-this-name/x", "/a\0b"):
        assert foreign_owner(nowhere) is None


@pytest.mark.parametrize(("owner", "name"), [(0, "root"), (3_999_999, "number 3999999")])
def test_the_owner_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, name: str
) -> None:
    folder = tmp_path
    if os.getuid() == 0 and owner:
        os.chown(folder, owner, owner)
    elif owner:
        name = ""
    else:
        folder = Path("/usr")
        monkeypatch.setattr(os, "getuid", lambda: 3_999_998)
    if not name:
        monkeypatch.setattr(os, "getuid", lambda: 3_999_998)
    notice = foreign_owner(str(folder))
    assert notice is not None
    assert name in notice.message
    assert "chown" in notice.hint
