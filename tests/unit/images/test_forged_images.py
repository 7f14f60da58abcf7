"""Images that somebody gave our labels: only what is in one of our repositories is ever ours."""

from __future__ import annotations

import pytest

from agents_runner.core import container as labels
from agents_runner.core.container import IMAGE_REPOSITORIES, ImageInfo
from agents_runner.engine.fake import FakeEngine
from agents_runner.images.catalogue import clean, find_all

FORGED = (
    *(
        "probe/forged:2",
        "agent-runner-envoy:1",
        "agents-runner-mini:1",
        "probe/agent-runner-env:1",
        "debian:bookworm",
    ),
    *("registry.example/agent-runner-env:1", "registry.example:5000/agent-runner-desktop:1", "agent-runner-env/x:1"),
)


def marks(ref: str) -> dict[str, str]:
    return {
        labels.IMAGE_MANAGED: "true",
        labels.IMAGE_REF: ref,
        labels.IMAGE_KIND: "env",
        labels.IMAGE_KEY: "0" * 64,
        labels.IMAGE_INSTANCE: "mine",
        labels.IMAGE_PARENT: "sha256:parent",
    }


@pytest.mark.parametrize("ref", FORGED)
def test_low_an_image_with_our_labels_elsewhere_is_not_removed(ref: str) -> None:
    engine = FakeEngine()
    try:
        engine.add_image(ref, labels=marks(ref))
        engine.add_image("agent-runner-env:real", labels=marks("agent-runner-env:real"))
        done = clean(engine, reason_to_keep=lambda _: "", dry_run=False)
        assert done.removed == ("agent-runner-env:real",)
        assert engine.find_image(ref) is not None
        assert find_all(engine) == ()
    finally:
        engine.close()


def test_low_without_a_tag_labels_are_not_enough_either() -> None:
    for ref, ours in (("probe/forged:2", False), ("", False), ("agent-runner-desktop:x", True)):
        image = ImageInfo(id="x", labels=marks(ref), parent="sha256:parent")
        assert image.is_labelled_ours() is ours
        assert not image.is_ours()


def test_low_each_of_our_repositories_counts() -> None:
    for repository in IMAGE_REPOSITORIES:
        assert ImageInfo(id="x", tags=(f"{repository}:1",), labels=marks(f"{repository}:1")).is_ours()
