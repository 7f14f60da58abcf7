"""Scripts made up at random from lines that get in each other's way, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

STATE = (
    "A=1",
    "A=2",
    'B="$A x"',
    'B="${B:-none} y"',
    "export A",
    "export B=2",
    'export A="${A:-}:${B:-}"',
    "unset A",
    "C=$(uname -m)",
    "A=$(cat /opt/f1 2>/dev/null || echo none)",
    "declare -x D=1",
    'export D="$C"',
    "arr=(1 2)",
    "arr+=(3)",
    "((n += 1)) || true",
    "n=$((n + 1))",
    ': "${A:=assigned}"',
    'A="${A:-default}"',
    "printf -v C '%s' printed",
    "read -r A < /opt/f1 || true",
    "{ A=group; B=group; }",
    "A=p B=q",
    "for A in l1 l2; do :; done",
    'export PATH="/opt/bin:$PATH"',
    "export PATH=$PATH:/opt/late",
    "umask 077",
    "umask 022",
    "set -e",
    "set +e",
    "set -o pipefail",
    "shopt -s nullglob",
    "IFS=:",
    "if [ -f /opt/f1 ]; then B=yes; else B=no; fi",
    'if [ -n "${A:-}" ]; then export C=seen; fi',
    "case ${A:-} in 1) D=one ;; *) D=other ;; esac",
    "command -v npm >/dev/null && A=npm",
    'f() { echo "f ${A:-}" >> /opt/f2; }',
    "g() { A=fromg; export C=fromg; }",
    "h() {\n  local A=local\n  f\n  B=fromh\n}",
    "f() { :; }",
    "alias q='touch /opt/q'",
    "A=$AGENTS_RUNNER_TASK_ID",
    "export B=$AGENTS_RUNNER_TASK_ID",
    'A="$AGENTS_RUNNER_WORKSPACE/x"',
)
FILES = (
    'echo "${A:-}" > /opt/f1',
    'echo "${B:-}" >> /opt/f2',
    "cat /opt/f1 > /opt/f3 2>/dev/null || true",
    "rm -f /opt/f1",
    "mkdir -p /opt/d1/sub",
    "touch /opt/d1/x || true",
    "cp /opt/f2 /opt/d1/ 2>/dev/null || :",
    "mv /opt/f2 /opt/f3 2>/dev/null || :",
    "chmod 600 /opt/f2 2>/dev/null || true",
    "ln -sf /opt/f1 /opt/l1",
    "rm -rf /opt/d1",
    'echo "${arr[*]:-}" > /opt/arr',
    'echo "${n:-}" > /opt/n',
    "touch /opt/u1",
    "cat > /opt/h1 <<EOF\n${A:-} and ${B:-}\n# step: not here\nEOF",
    "cat >> /opt/h1 <<'EOF'\n$A\nEOF",
    "env | grep '^[BD]=' > /opt/env || true",
    "bash -c 'echo ${A:-}' > /opt/child",
    "A=temporary bash -c 'echo $A' >> /opt/f2",
    '(A=inner; echo "$A" > /opt/f4)',
    "echo 'A=sourced' > /opt/f5",
    "[ ! -f /opt/f5 ] || . /opt/f5",
    "echo \"$PATH\" | tr ':' '\\n' | head -2 > /opt/path",
    'for i in 1 2; do echo "$i" >> /opt/f2; done',
    'while read -r C; do echo "$C" >> /opt/f3; done < /opt/f2 || true',
    "[ -f /opt/f1 ] && touch /opt/saw",
    "test -f /opt/f3 || touch /opt/missed",
    "f || true",
    "g || true",
    "h || true",
    'echo "$(f 2>/dev/null)" || true',
    "cd /opt",
    "cd /opt/d1 2>/dev/null || cd /opt",
    "cd ..",
    "cd - || true",
    "touch relative",
    "pwd >> /opt/f3",
    "ls -d /opt/d1 || true",
)
INSTALLS = (
    "apt-get update",
    "apt-get install -y tree",
    "npm i -g tool",
    "pip install black",
    "apt-get update && apt-get install -y jq && A=installed",
    "curl -fsSL https://dl.example.com/x -o /usr/local/bin/x && chmod +x /usr/local/bin/x",
    "curl -fsSL https://dl.example.com/setup | bash",
    "git clone https://git.example/t.git /opt/t || true",
)
TASK = (
    'echo "$AGENTS_RUNNER_TASK_ID" > /opt/f1',
    'echo "${A:-}" > "$AGENTS_RUNNER_WORKSPACE/o1"',
    'echo "${B:-}" >> "$AGENTS_RUNNER_WORKSPACE/o2"',
    "echo x > /tmp/t1",
    "cat /tmp/t1 >> /opt/f2 2>/dev/null || true",
    "npm ci",
    "pip install -r requirements.txt",
    'cd "$AGENTS_RUNNER_WORKSPACE"',
    'cp /opt/f1 "$AGENTS_RUNNER_WORKSPACE/" 2>/dev/null || true',
    'f > "$AGENTS_RUNNER_WORKSPACE/o3" || true',
    'h > "$AGENTS_RUNNER_WORKSPACE/o4" || true',
    "python3 tool.py",
    "touch /opt/task-$AGENTS_RUNNER_TASK_ID",
)
PLAIN = ("echo hello", "# a comment", "", "true", "node --version", 'echo "$A" >/dev/null')
ENDS = (
    "false",
    "false || true",
    "! true",
    "(exit 2)",
    "[ -d /opt/d1 ]",
    "[ -d /opt/d1 ] || exit 4",
    "[ ! -f /opt/saw ] || exit 0",
    "exit 0",
    "exit 3",
    'echo "$?" >> /opt/f2',
    "trap 'touch /opt/trapped' EXIT",
    "trap 'echo failed' ERR",
)
_POOLS = [STATE, STATE, FILES, FILES, INSTALLS, INSTALLS, TASK, PLAIN]
LINES = st.sampled_from(_POOLS).flatmap(st.sampled_from)
HEADS = st.sampled_from(["", "#!/bin/bash\n", "#!/bin/bash\nset -e\n", "#!/bin/bash\nset -eo pipefail\n\n"])


@st.composite
def scripts(draw: st.DrawFn, *, ends: bool = True, most: int = 14) -> str:
    """A script of up to `most` lines."""
    pool = st.one_of(LINES, LINES, LINES, LINES, LINES, st.sampled_from(ENDS)) if ends else LINES
    lines = draw(st.lists(pool, min_size=1, max_size=most))
    return draw(HEADS) + "\n".join(lines) + "\n"
