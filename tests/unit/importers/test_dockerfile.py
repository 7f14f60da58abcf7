"""Dockerfiles: every instruction, both forms of commands, here-documents, stages, what needs the build context."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.importers.instructions import parse_instructions
from agents_runner.importers.words import expand, parse_word, split_words, to_shell
from agents_runner.runner.importing import draft_of, offers
from tests.unit.importers.support import DATA, cached, dockerfile, draft, run, whats, why, write


def test_a_whole_file() -> None:
    found = draft(DATA / "docker")
    assert found.fields["base_image"] == "node:20-bookworm"
    assert found.fields["env_vars"] == {
        "APP_HOME": "/app",
        "LC_ALL": "C.UTF-8",
        "GREETING": "hello world",
        "LEGACY": "some value with blanks",
    }
    assert found.fields["ports"] == ("0:3000", "0:9229", "0:53/udp")
    for part in (
        "--platform=linux/amd64",
        "build stage (tools)",
        "ARG BUILD_SHA",
        "COPY --from=tools",
        "COPY scripts/install-fonts.sh",
        "COPY . to /app",
        "--mount=type=cache",
        "npm install private-thing",
        "USER node",
        "VOLUME /data",
        "4000-4010",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ONBUILD",
        "ENTRYPOINT",
        "CMD",
    ):
        assert part in whats(found), part
    assert "LABEL" not in whats(found)


def test_runs_become_steps_in_their_order() -> None:
    text = cached(draft(DATA / "docker"))
    assert [line.split(":")[1].strip() for line in text.split("\n") if line.startswith("# step: Dockerfile")] == [
        "Dockerfile line 15",
        "Dockerfile line 22",
        "Dockerfile line 23",
        "Dockerfile line 24",
        "Dockerfile line 25",
        "Dockerfile line 29",
        "Dockerfile line 33",
    ]
    assert "\napt-get update\napt-get install -y --no-install-recommends build-essential libvips-dev\n" in text
    assert "\nnpm install --global node-gyp\n" in text
    assert "export YARN_VERSION=1.22.22" in text
    assert "cat <<CONF > /etc/shop.conf\nroot=$APP_HOME\nCONF\n" in text


def test_what_needs_the_project_works_in_the_workspace() -> None:
    text = run(draft(DATA / "docker"))
    place = text.index('cd "$AGENTS_RUNNER_WORKSPACE"\n')
    assert (
        place
        < text.index("\nnpm ci\n")
        < text.index("\nnpm run build\n")
        < text.index('export NODE_ENV="production"')
    )
    assert 'cp -a "$AGENTS_RUNNER_WORKSPACE"/scripts/install-fonts.sh /tmp/install-fonts.sh' in text
    assert "bash /tmp/install-fonts.sh" in text


@pytest.mark.parametrize(
    ("instruction", "line"),
    [
        ("RUN apt-get install -y jq", "apt-get install -y jq\n"),
        ('RUN ["apt-get", "install", "-y", "a b"]', "apt-get install -y 'a b'\n"),
        ('RUN ["/bin/bash", "-c", "apt-get install -y jq"]', "apt-get install -y jq\n"),
        (
            "RUN apt-get update && \\\n    # why\n\n    apt-get install -y \\\n      jq",
            "apt-get update\napt-get install -y jq\n",
        ),
        ("run apt-get install -y jq", "apt-get install -y jq\n"),
        ("RUN <<EOF\napt-get install -y jq\nEOF", "apt-get install -y jq\n"),
        ("RUN <<-EOF\n\tapt-get install -y jq\n\tEOF", "apt-get install -y jq\n"),
        ("RUN cat <<'EOF' > /etc/x\n$HOME\nEOF", "cat <<'EOF' > /etc/x\n$HOME\nEOF\n"),
        (
            "ADD https://example.com/t.gz /opt/t.gz",
            "curl -fsSL --create-dirs -o /opt/t.gz https://example.com/t.gz\n",
        ),
        ("ADD https://example.com/t.gz?x=1 /opt/", "-o /opt/t.gz 'https://example.com/t.gz?x=1'\n"),
        ("ADD https://example.com/r.git#v1 /opt/r", "git clone --branch v1 https://example.com/r.git /opt/r\n"),
        ("COPY <<EOF /etc/motd\nhello\nEOF", "cat > /etc/motd <<'EOF'\nhello\nEOF\n"),
        ("ARG V=1.2\nRUN apt-get install -y jq=$V", "export V=1.2\napt-get install -y jq=$V\n"),
        ("RUN --network=host apt-get install -y jq", "apt-get install -y jq\n"),
    ],
)
def test_instructions_that_are_baked(tmp_path: Path, instruction: str, line: str) -> None:
    found = dockerfile(tmp_path, f"FROM debian:bookworm\n{instruction}\n")
    assert line in cached(found)


def test_each_step_starts_where_docker_would(tmp_path: Path) -> None:
    text = (
        "FROM debian:12\nRUN curl -O https://e.com/a.deb\nRUN dpkg -i a.deb\n"
        "WORKDIR /srv/x\nRUN touch y\nRUN touch z\n"
    )
    found = dockerfile(tmp_path, text)
    assert run(found) == ""
    for place, command in (("/", "curl -O https://e.com/a.deb"), ("/", "dpkg -i a.deb"), ("/srv/x", "touch z")):
        assert f"\ncd {place}\n{command}\n" in cached(found)
    assert cached(found).index("mkdir -p /srv/x\n") < cached(found).index("touch y")


def test_a_backtick_as_escape(tmp_path: Path) -> None:
    text = "# escape=`\nFROM debian:12\nRUN apt-get install -y `\n  jq\nENV P=C:\\dir\n"
    found = dockerfile(tmp_path, text)
    assert "apt-get install -y jq\n" in cached(found)
    assert found.fields["env_vars"] == {"P": "C:\\dir"}


def test_a_failing_part_of_a_sequence_is_passed_over_as_in_sh(tmp_path: Path) -> None:
    text = "FROM debian:12\nRUN mkdir /opt/a; mkdir /opt/b\nRUN set -eu; mkdir /opt/c; mkdir /opt/d\n"
    found = dockerfile(tmp_path, text)
    assert "(\nset +e\nmkdir /opt/a; mkdir /opt/b\n)\n" in cached(found)


def test_echo_of_the_images_sh(tmp_path: Path) -> None:
    found = dockerfile(tmp_path, 'FROM debian:12\nRUN echo "a\\nb" > /etc/x\n')
    assert "shopt -s xpg_echo" in cached(found)
    assert "shopt" not in cached(
        dockerfile(tmp_path, 'FROM debian:12\nSHELL ["/bin/bash", "-c"]\nRUN echo "a\\nb" > /etc/x\n')
    )


def test_values_that_build_on_the_image_are_exported_where_they_stand(tmp_path: Path) -> None:
    found = dockerfile(
        tmp_path,
        'FROM debian:12\nENV A=/opt/a B="$A/b" C=${A}/c D=${NO:-d} E=${A:+e}\nENV PATH="$A/bin:$PATH"\n'
        "ENV TWICE=1\nRUN apt-get install -y jq\nENV TWICE=2 PIP_NO_CACHE_DIR=1 LATE=x\n",
    )
    assert found.fields["env_vars"] == {
        "A": "/opt/a", "B": "/opt/a/b", "C": "/opt/a/c", "D": "d", "E": "e", "LATE": "x",
    }  # fmt: skip
    assert 'export PATH="/opt/a/bin:${PATH}"' in cached(found)
    text = cached(found) + run(found)
    assert text.index('TWICE="1"') < text.index("jq") < text.index('TWICE="2"') < text.index('PIP_NO_CACHE_DIR="1"')


def test_the_chain_of_stages(tmp_path: Path) -> None:
    text = (
        "ARG TAG=12\nFROM debian:${TAG} AS base\nRUN apt-get install -y one\n"
        "FROM base AS tools\nRUN apt-get install -y two\n"
        "FROM base\nRUN apt-get install -y three\nCOPY --from=tools /x /y\n"
    )
    found = dockerfile(tmp_path, text)
    assert found.fields["base_image"] == "debian:12"
    assert "two" not in cached(found)
    assert cached(found).index("one") < cached(found).index("three")
    assert "COPY --from=tools" in whats(found)


@pytest.mark.parametrize(("image", "part"), [("scratch", "scratch"), ("$WHAT", "FROM $WHAT")])
def test_bases_that_cannot_be_had(tmp_path: Path, image: str, part: str) -> None:
    found = dockerfile(tmp_path, f"FROM {image}\nRUN apt-get install -y jq\n")
    assert "base_image" not in found.fields
    assert part in whats(found)


@pytest.mark.parametrize(
    ("mount", "part"),
    [
        ("type=secret,id=x", "secret"),
        ("type=ssh", "ssh"),
        ("type=bind,from=other,target=/x", "another stage"),
    ],
)
def test_steps_that_need_what_no_layer_has_are_left_out(tmp_path: Path, mount: str, part: str) -> None:
    found = dockerfile(tmp_path, f"FROM debian:12\nRUN --mount={mount} apt-get install -y jq\n")
    assert "jq" not in cached(found) + run(found)
    assert part in why(found, "jq")


def test_other_shells_and_programs(tmp_path: Path) -> None:
    found = dockerfile(
        tmp_path,
        'FROM debian:12\nRUN <<EOF\n#!/usr/bin/awk -f\nBEGIN { print }\nEOF\nSHELL ["pwsh", "-c"]\nRUN Get-Item .\n',
    )
    assert "SHELL" in whats(found)
    assert "Get-Item" in whats(found)
    assert cached(found) + run(found) == ""


def test_copies_of_single_files(tmp_path: Path) -> None:
    found = dockerfile(
        tmp_path,
        "FROM debian:12\nCOPY --chmod=755 --chown=me tool.sh /usr/local/bin/\nCOPY conf /etc/conf\nADD a.tgz /opt\n"
        'COPY ["a b", "/opt/x/"]\nCOPY ../up /opt/up\n',
        **{"tool.sh": "x", "conf/a": "x"},
    )
    text = run(found)
    assert 'cp -a "$AGENTS_RUNNER_WORKSPACE"/tool.sh /usr/local/bin/\nchmod 755 /usr/local/bin/tool.sh' in text
    assert "mkdir -p /etc/conf\n" in cached(found)
    assert 'cp -a "$AGENTS_RUNNER_WORKSPACE"/conf/. /etc/conf' in text
    assert "cp -a \"$AGENTS_RUNNER_WORKSPACE\"'/a b' /opt/x/" in text
    assert "a.tgz" in whats(found)
    assert "../up" in whats(found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("FROM a\nFOO bar\n", "line 2: 'FOO' is no instruction"),
        ("RUN x\nFROM a\n", "RUN before its FROM (line 1)"),
        ("# nothing\n", "has no FROM"),
        ("FROM a\nRUN <<EOF\nx\n", "without its end 'EOF' (line 2)"),
        ("FROM a\n" + "RUN x\n" * 2_100, "more than 2000 instructions"),
        ("FROM a\n" + "RUN x\n" * 500, "more than 400 commands"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, part: str) -> None:
    write(tmp_path, {"Dockerfile": text})
    with pytest.raises(InvalidInput) as error:
        draft_of(offers(tmp_path)[0])
    assert part in error.value.message


def test_words() -> None:
    assert split_words("a 'b c' \"d e\"f g\\ h") == ["a", "'b c'", '"d e"f', "g\\ h"]
    parts = parse_word("\"a b\"'$X'$X${Y:-z$X}\\$Z")
    unknown: set[str] = set()
    assert expand(parts, {"X": "1"}, unknown) == "a b$X1z1$Z"
    assert unknown == set()
    assert to_shell(parse_word('a"b$NO`'), {}) == '"ab${NO}\\`"'
    assert expand(parse_word("$MISSING"), {}, unknown) == ""
    assert unknown == {"MISSING"}


def test_instructions_keep_their_lines() -> None:
    found, escape = parse_instructions('FROM a\n\n# c\nRUN b \\\n\n  # d\n  c\nCMD ["x"]\n', "Dockerfile")
    assert [(one.word, one.rest, one.line) for one in found] == [
        ("FROM", "a", 1),
        ("RUN", "b   c", 4),
        ("CMD", '["x"]', 8),
    ]
    assert found[2].array == ["x"]
    assert escape == "\\"
