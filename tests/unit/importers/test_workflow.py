"""copilot-setup-steps.yml: steps, set-up actions, expressions, and what a single container does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.runner.importing import draft_of, offers
from tests.unit.importers.support import DATA, cached, draft, run, whats, why, workflow, write


def test_a_whole_file() -> None:
    found = draft(DATA / "copilot")
    assert found.fields["base_image"] == "ubuntu:24.04"
    assert found.fields["env_vars"] == {"CI_LEVEL": "fast", "DATABASE_URL": "postgres://localhost/test"}
    assert found.fields["secrets"] == ("NPM_TOKEN",)
    for part in (
        "BUILD_REF",
        "service postgres",
        "submodules",
        "aws-actions/configure-aws-credentials",
        "step On main only",
        "step Stamp",
        "step PowerShell",
    ):
        assert part in whats(found), part
    assert "choco" not in cached(found) + run(found)
    assert "actions/cache" not in whats(found)


def test_steps_keep_their_order_and_go_where_they_belong() -> None:
    found = draft(DATA / "copilot")
    order = [
        "basic tools",
        "node 20",
        "pnpm",
        "python 3.12",
        "go 1.22.5",
        "java 21",
        "ruby 3.3",
        "rust stable",
        "bun",
    ]
    places = [cached(found).index(f"# step: {name}\n") for name in order]
    assert places == sorted(places)
    assert "sudo apt-get install -y protobuf-compiler libvips-dev" in cached(found)
    assert 'export NODE_AUTH_TOKEN="${NPM_TOKEN:-}"\npnpm install --frozen-lockfile' in run(found)
    assert 'cd "$AGENTS_RUNNER_WORKSPACE"/services/api\nuv sync' in run(found)
    assert "bundle install" in run(found)


def test_what_a_step_hands_to_later_ones() -> None:
    found = draft(DATA / "copilot")
    assert 'export PATH="/opt/tool/bin:$PATH"\n' in cached(found)
    text = cached(found) + run(found)
    assert 'export TOOL_HOME="/opt/tool"\n' in text
    assert "GITHUB_" not in text


def test_handed_over_while_it_runs(tmp_path: Path) -> None:
    found = workflow(
        tmp_path,
        '- name: x\n  run: |\n    V=$(date)\n    echo "V=$V" >> "$GITHUB_ENV"\n    echo ok >> $GITHUB_OUTPUT',
    )
    assert "GITHUB_ENV or GITHUB_PATH in step x" in whats(found)
    assert "> /dev/null" in run(found) or ">> /dev/null" in run(found)
    assert "GITHUB_OUTPUT=/dev/null" in run(found)


@pytest.mark.parametrize(
    ("action", "inputs", "part"),
    [
        ("actions/setup-node@v4", 'node-version: "20"', "setup_20.x"),
        ("actions/setup-node@v4", "node-version: 20.11.1", "node-v20.11.1-linux"),
        ("actions/setup-node@v4", "node-version: lts/*", "setup_lts.x"),
        ("actions/setup-node@v4", "node-version-file: .nvmrc", "setup_18.x"),
        ("actions/setup-python@v5", "python-version: 3.11", "--python 3.11 "),
        ("actions/setup-python@v5", 'python-version: "3.x"', "--python 3 "),
        ("actions/setup-go@v5", "go-version: stable", "go.dev/VERSION"),
        ("actions/setup-go@v5", "go-version: 1.21.x", "go1\\.21\\("),
        ("actions/setup-java@v4", "java-version: 17", "temurin-17-jdk"),
        ("actions/setup-dotnet@v4", "dotnet-version: 8.0.x", "--channel 8.0"),
        ("ruby/setup-ruby@v1", "ruby-version: 3.3.5", "ruby-build 3.3.5 /usr/local"),
        ("dtolnay/rust-toolchain@nightly", "targets: wasm32-unknown-unknown", "nightly -t wasm32-unknown-unknown"),
        ("actions-rust-lang/setup-rust-toolchain@v1", "components: clippy", "stable -c clippy"),
        ("oven-sh/setup-bun@v2", "bun-version: 1.1.20", "-s bun-v1.1.20"),
        ("oven-sh/setup-bun@v2", "bun-version: latest", "bun.sh/install"),
        ("denoland/setup-deno@v2", "deno-version: v2.x", "deno.land/install.sh"),
        ("pnpm/action-setup@v4", "version: 9", "npm install -g pnpm@9"),
        ("astral-sh/setup-uv@v5", "version: 0.4.1", "uv/0.4.1/install.sh"),
        ("snok/install-poetry@v1", "version: 1.8.3", "poetry==1.8.3"),
        ("awalsh128/cache-apt-pkgs-action@v1", "packages: a b", "apt-get install -y --no-install-recommends a b"),
    ],
)
def test_actions(tmp_path: Path, action: str, inputs: str, part: str) -> None:
    found = workflow(tmp_path, f"- uses: {action}\n  with:\n    {inputs}", **{".nvmrc": "v18\n"})
    assert part in cached(found)
    assert run(found) == ""
    assert action not in whats(found)


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("actions/setup-node@v4", 'node-version: ">=18 <21"'),
        ("actions/setup-python@v5", "python-version: pypy3.10"),
        ("actions/setup-go@v5", "go-version: '$(rm -rf /)'"),
        ("ruby/setup-ruby@v1", "ruby-version: jruby"),
        ("dtolnay/rust-toolchain@stable", "components: 'a;b'"),
        ("docker/build-push-action@v6", "push: true"),
        ("./.github/actions/local", "a: b"),
    ],
)
def test_actions_that_are_not_known_are_listed(tmp_path: Path, action: str, inputs: str) -> None:
    found = workflow(tmp_path, f"- uses: {action}\n  with:\n    {inputs}")
    assert f"action {action}" in whats(found)
    assert "rm -rf" not in cached(found)


@pytest.mark.parametrize(
    ("runs_on", "image", "reported"),
    [
        ("ubuntu-latest", "ubuntu:24.04", False),
        ("ubuntu-22.04", "ubuntu:22.04", False),
        ("windows-latest", "ubuntu:24.04", True),
        ("[self-hosted, linux]", "ubuntu:24.04", True),
        ("${{ inputs.os }}", "ubuntu:24.04", True),
    ],
)
def test_runs_on(tmp_path: Path, runs_on: str, image: str, *, reported: bool) -> None:
    found = workflow(tmp_path, "- run: npm install -g x", job=f"runs-on: {runs_on}")
    assert found.fields["base_image"] == image
    assert ("runs-on" in whats(found)) is reported


def test_a_container(tmp_path: Path) -> None:
    job = "container:\n  image: node:20\n  env: { A: b }\n  ports: [8080]\n  options: --privileged"
    found = workflow(tmp_path, "- run: npm install -g x", job=job)
    assert found.fields["base_image"] == "node:20"
    assert found.fields["env_vars"] == {"A": "b"}
    assert found.fields["ports"] == ("8080",)
    assert "container.options" in whats(found)


def test_a_matrix_gives_its_first_value(tmp_path: Path) -> None:
    job = "runs-on: ubuntu-latest\nstrategy:\n  matrix:\n    node: [18, 20]"
    found = workflow(
        tmp_path, "- uses: actions/setup-node@v4\n  with:\n    node-version: ${{ matrix.node }}", job=job
    )
    assert "setup_18.x" in cached(found)
    assert "matrix.node" in whats(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl -o /opt/x https://e.com/${{ runner.os }}", "https://e.com/Linux"),
        ("cat ${{ github.workspace }}/x", "cat ${AGENTS_RUNNER_WORKSPACE}/x"),
        ("cat $GITHUB_WORKSPACE/x", "cat $AGENTS_RUNNER_WORKSPACE/x"),
        ("echo ${{ secrets.DEPLOY_KEY }}", "echo ${DEPLOY_KEY}"),
        ("echo ${{ env.TOP }}", "echo up"),
    ],
)
def test_expressions_that_are_certain(tmp_path: Path, text: str, expected: str) -> None:
    found = workflow(tmp_path, f"- name: x\n  run: {text}", top="env: { TOP: up }")
    assert expected in cached(found) + run(found)


@pytest.mark.parametrize(
    "text", ["${{ github.sha }}", "${{ steps.a.outputs.b }}", "${{ format('{0}', 1) }}", "${{ a"]
)
def test_expressions_that_are_not(tmp_path: Path, text: str) -> None:
    found = workflow(tmp_path, f'- name: x\n  run: "echo {text}"')
    assert "step x" in whats(found)
    assert "${{" not in cached(found) + run(found)


def test_settings_of_steps(tmp_path: Path) -> None:
    steps = (
        "- name: a\n  working-directory: web\n  run: npm ci\n"
        "- name: b\n  shell: bash\n  run: curl -fsSL https://e.com/x | tar -xz -C /opt\n"
        "- name: c\n  continue-on-error: true\n  run: npm install -g x\n"
        "- name: d\n  if: always()\n  run: npm install -g y\n"
        "- name: e\n  if: failure()\n  run: npm install -g z\n"
        "- name: f\n  shell: python\n  run: print(1)\n"
        "- name: g\n  env: { A: 1, B: '${{ github.sha }}' }\n  run: npm install -g w\n"
        "- name: h\n  run: npm run dev\n"
        "- name: i\n  run: |\n    if true; then"
    )
    found = workflow(tmp_path, steps, job="runs-on: ubuntu-latest\ndefaults:\n  run:\n    working-directory: api")
    assert 'cd "$AGENTS_RUNNER_WORKSPACE"/web\nnpm ci' in run(found)
    assert "set -o pipefail\ncurl" in cached(found)
    assert "(\nnpm install -g x\n) || true\n" in cached(found)
    assert "npm install -g y" in cached(found)
    assert "npm install -g z" not in cached(found) + run(found)
    assert "export A=1\nexport B=''\nnpm install -g w" in cached(found)
    for part in ("step f", "env B of step g", "step h: npm run dev"):
        assert part in whats(found)
    assert "bash cannot read it" in why(found, "i")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1", "line 1"),
        ("a:\n\tb: 1", "line 2"),
        ("- a\n", "no YAML mapping"),
        ("jobs: { a: { steps: [] }, b: { steps: [] } }", "has no job copilot-setup-steps"),
        ("jobs: 3", "has no job"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        (
            "a: &a [x]\nb: &b ["
            + "*a," * 50
            + "]\nc: &c ["
            + "*b," * 50
            + "]\nd: &d ["
            + "*c," * 50
            + "]\ne: ["
            + "*d," * 50
            + "]",
            "too many",
        ),
        ("a: &a\n  b: *a\n", "line 1"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, part: str) -> None:
    write(tmp_path, {".github/workflows/copilot-setup-steps.yml": text})
    with pytest.raises(InvalidInput) as error:
        draft_of(offers(tmp_path)[0])
    assert part in error.value.message
    assert "\n" not in error.value.message


def test_a_tag_makes_no_object(tmp_path: Path) -> None:
    found = workflow(tmp_path, "- run: !!python/object/apply:os.system [touch /tmp/never]\n- run: npm install -g x")
    assert "npm install -g x" in cached(found)
