"""What the checker says, where it says the splitter's reasons in its own words."""

from __future__ import annotations

import pytest

from agents_runner.preflight.split import split
from agents_runner.preflight.validate import check

KEY = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (f"GITHUB_TOKEN={KEY}\n", "It holds a secret (GITHUB_TOKEN)"),
        (f"GITHUB_TOKEN={KEY} make\n", "It holds a secret (GITHUB_TOKEN)"),
        (f"curl -H 'Authorization: Bearer {KEY}' https://x.test\n", "It holds a secret"),
    ],
)
def test_a_secret_in_the_script_is_a_matter_of_the_image_or_of_plain_text(script: str, what: str) -> None:
    found = [warning.message for warning in check(script, "run") if warning.rule == "secret-literal"]
    assert found == [f"{what}, in plain text."]
    assert split(f"apt-get install -y jq\n{script}").statements[-1].reason == f"{what}, which no image may hold."


def test_an_install_that_another_line_holds_in_the_run_preflight_is_told_by_that_line_alone() -> None:
    script = 'version=$(cat /workspace/VERSION)\nnpm install -g tool@"$version"\n'
    reason = "It needs the variable version of line 1"
    assert split(script).statements[1].reason == f"{reason}, which belongs to the run stage."
    (hint,) = [warning.hint for warning in check(script, "run") if warning.rule == "install-in-run"]
    assert hint == f"{reason}. Move it to the cached preflight with that line, if you can."
