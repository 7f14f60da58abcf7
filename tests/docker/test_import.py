"""What people have, imported and run: the same result as where it came from, and the slow part from the cache."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cli import Cli, Done
from tests.unit.importers.support import write

DOCKERFILE = """FROM {base}
ARG TOOL=1.2
ENV TOOL_HOME=/opt/tool GREETING='hello  world'
RUN mkdir -p $TOOL_HOME/bin && \\
    # comments are no part of it
    echo "tool $TOOL" > $TOOL_HOME/version
RUN false; printf '#!/bin/sh\\necho from the tool\\n' > $TOOL_HOME/bin/hello; chmod +x $TOOL_HOME/bin/hello
ENV PATH="$TOOL_HOME/bin:$PATH"
RUN echo relative > here
RUN mv here $TOOL_HOME/there
RUN <<EOF
hello > /etc/greeting
cat <<INNER >> /etc/greeting
$GREETING
INNER
EOF
COPY one.txt /etc/one.txt
WORKDIR /app
COPY package.txt ./
RUN cat package.txt /etc/one.txt > /etc/installed
ENV LATE=/app/late
USER nobody
CMD ["sleep", "1"]
"""
PROMPT = """cat /opt/tool/version /opt/tool/there /etc/greeting /etc/installed
hello
echo "$GREETING|$LATE|$(cat /app/package.txt)"
"""


def run_twice(cli: Cli, name: str, prompt: str) -> tuple[Done, Done]:
    cli("env", "edit", name, "--set", "agent=shell")
    return cli("run", name, prompt, "--json"), cli("run", name, prompt, "--json")


def test_a_dockerfile(cli: Cli, debian_base: str, workspace: Path) -> None:
    files = {"Dockerfile": DOCKERFILE.format(base=debian_base), "package.txt": "package\n", "one.txt": "one\n"}
    name = cli("env", "import", str(write(workspace, files)), "--json").json["environments"][0]["name"]
    first, second = run_twice(cli, name, PROMPT)
    assert (first.phase("build.env")["cache"], second.phase("build.env")["cache"]) == ("built", "hit")
    expected = [
        *("tool 1.2", "relative", "from the tool", "hello  world", "package", "one", "from the tool"),
        "hello  world|/app/late|package",
    ]
    assert first.log[-len(expected) :] == second.log[-len(expected) :] == expected


def test_a_dev_container(cli: Cli, debian_base: str, workspace: Path) -> None:
    data = {
        "image": debian_base,
        "onCreateCommand": "mkdir -p /opt/made && echo created > /opt/made/file && cat list.txt > /opt/made/list",
        "updateContentCommand": ["sh", "-c", "echo updated >> /opt/made/file"],
        "postCreateCommand": "bash setup.sh",
        "postStartCommand": {
            "a": "export HIDDEN=1; echo started > /tmp/started",
            "b": "echo $HIDDEN >> /tmp/started",
        },
        "containerEnv": {"WHERE": "${containerWorkspaceFolder}"},
        "remoteEnv": {"PATH": "/opt/made/bin:${containerEnv:PATH}"},
    }
    setup = (
        "#!/usr/bin/env bash\nset -euo pipefail\nmkdir -p /opt/made/bin\n"
        "printf '#!/bin/sh\\necho tool\\n' > /opt/made/bin/tool\nchmod +x /opt/made/bin/tool\n"
        "wc -l < list.txt > /opt/made/count\n"
    )
    files = {".devcontainer/devcontainer.json": json.dumps(data), "list.txt": "listed\n", "setup.sh": setup}
    made = cli("env", "import", str(write(workspace, files)), "--json").json["environments"][0]
    assert "chmod +x /opt/made/bin/tool" in made["cached_preflight_script"]
    assert "list.txt" not in made["cached_preflight_script"]
    prompt = 'cat /opt/made/file /opt/made/list /opt/made/count /tmp/started; tool; echo "$WHERE|${HID-none}|$-"'
    first, second = run_twice(cli, made["name"], prompt)
    assert (first.phase("build.env")["cache"], second.phase("build.env")["cache"]) == ("built", "hit")
    expected = ["created", "updated", "listed", "1", "started", "", "tool", "/workspace|none|hB"]
    assert first.log[-len(expected) :] == second.log[-len(expected) :] == expected


def test_a_pair_of_scripts(cli: Cli, debian_base: str, workspace: Path) -> None:
    files = {
        ".codex/setup.sh": "#!/bin/bash\nset -eu\n"
        "export KEPT=yes\nmkdir -p /opt/x\ntouch /opt/x/made\ncp list.txt /opt/x/list\n",
        ".codex/maintenance.sh": "echo again >> /opt/x/list\n",
        "list.txt": "listed\n",
    }
    name = cli("env", "import", str(write(workspace, files)), "--json").json["environments"][0]["name"]
    cli("env", "edit", name, "--set", f"base_image={debian_base}")
    first, second = run_twice(cli, name, 'cat /opt/x/list; ls /opt/x; echo "$KEPT"')
    expected = ["listed", "again", "list", "made", "yes"]
    assert first.log[-len(expected) :] == second.log[-len(expected) :] == expected
