"""Names, grants and values of secrets."""

from __future__ import annotations

import pytest

from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import Environment, NoWorkspace
from agents_runner.core.errors import InvalidInput
from agents_runner.core.migrate import environment_to_json
from agents_runner.core.secrets import (
    MAX_VALUE_BYTES,
    SecretGrant,
    SecretUse,
    SecretValues,
    check_secret_value,
    check_secrets,
    grants_of,
    secret_input,
)
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.images.planning import plan_image


def test_s1_a_secret_has_its_default_stages_until_others_are_chosen() -> None:
    uses = {"B": SecretUse(stages=("agent", "build", "later"), as_variable=True)}
    assert grants_of(("A", "B"), uses) == (
        SecretGrant(name="A", stages=("run", "agent")),
        SecretGrant(name="B", stages=("build", "agent"), as_variable=True),
    )


@pytest.mark.parametrize(
    "name", ["", "1A", "A-B", "A.B", "a b", "AGENTS_RUNNER_X", "BASH_ENV", "A\n", "A" * 101, "../x"]
)
def test_s1_names_that_are_no_file_or_variable_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_secrets((SecretGrant(name=name),), variables=(), targets=())
    assert raised.value.field == "secrets"


def test_s1_one_name_means_one_thing() -> None:
    twice = (SecretGrant(name="A"), SecretGrant(name="A"))
    with pytest.raises(InvalidInput, match="twice"):
        check_secrets(twice, variables=(), targets=())
    with pytest.raises(InvalidInput, match="a secret and a variable"):
        check_secrets((SecretGrant(name="A", as_variable=True),), variables=("A",), targets=())
    with pytest.raises(InvalidInput, match="Nothing can be mounted"):
        check_secrets((SecretGrant(name="A"),), variables=(), targets=("/data", "/run/secrets/A"))
    check_secrets((SecretGrant(name="A"),), variables=("A",), targets=("/run/secretsX",))
    check_secrets((), variables=(), targets=("/run/secrets",))


@pytest.mark.parametrize("value", ["", "a\0b", "\ud800", "x" * (MAX_VALUE_BYTES + 1)])
def test_s1_a_value_that_would_not_arrive_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_secret_value("TOKEN", value)
    assert not value or value not in str(raised.value)


def test_s1_values_are_not_in_texts_of_values() -> None:
    values = SecretValues({"TOKEN": "the-value"})
    assert values["TOKEN"] == "the-value"
    assert "the-value" not in f"{values} {values!r} {[values]}"


def test_s1_what_the_launcher_reads() -> None:
    values = {"A": "one", "B": "two\n|three\n.\n"}
    assert secret_input(("B", "A"), values) == b"=B\n|two\n||three\n|.\n|\n.\n=A\n|one\n.\n"


CONFIG = DockerRunnerConfig(
    task_id="t", environment_id="e", environment_name="E", base_image="base:1", container_cache_enabled=True,
    cached_preflight_script="true\n", workspace=NoWorkspace(), uid=0, gid=0, agent=None, token="feed",
)  # fmt: skip


def key(config: DockerRunnerConfig = CONFIG, **changes: object) -> str:
    return plan_image(config.model_copy(update=changes), ImageInfo(id="sha256:1")).layers[-1].key


def test_s1_a_key_holds_names_of_build_secrets_and_whose_they_are_only() -> None:
    plain = key()
    assert key(secrets=grants_of(("A",), {})) == plain
    build = grants_of(("A",), {"A": SecretUse(stages=("build",))})
    assert key(secrets=build) != plain
    assert key(secrets=grants_of(("A",), {"A": SecretUse(stages=("build", "agent"))})) == key(secrets=build)
    assert key(secrets=grants_of(("A",), {"A": SecretUse(stages=("build",), as_variable=True)})) != key(secrets=build)
    assert key(secrets=grants_of(("B",), {"B": SecretUse(stages=("build",))})) != key(secrets=build)
    # Two environments with secrets of one name have values of their own, and do not share the image.
    assert key(secrets=build, environment_id="f") != key(secrets=build)
    assert key(environment_id="f") == plain


def test_s1_plans_and_files_hold_names_only() -> None:
    environment = Environment(
        id="e", name="E", secrets=("A",), secret_uses={"A": SecretUse(stages=("build",), as_variable=True)}
    )
    text = environment_to_json(environment)
    assert Environment.model_validate_json(text) == environment
    config = CONFIG.model_copy(update={"secrets": environment.secret_grants})
    assert DockerRunnerConfig.model_validate_json(config.model_dump_json()) == config
    # A plan of an older version has names alone.
    older = DockerRunnerConfig.model_validate_json(
        CONFIG.model_dump_json().replace('"secrets":[]', '"secrets":["A"]')
    )
    assert older.secrets == (SecretGrant(name="A"),)
