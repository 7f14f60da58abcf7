"""A base image for files that name none, since they were written for a cloud's own machine."""

from __future__ import annotations

import re

from agents_runner.importers import toolchains
from agents_runner.importers.collect import Collector

UBUNTU = "ubuntu:24.04"
_APT = re.compile(r"\b(?:apt|apt-get|dpkg|add-apt-repository)\s|deb\.nodesource\.com|/etc/apt/")


def guess_base(c: Collector) -> None:
    """Ubuntu with the usual tools, if the scripts install by apt; otherwise the application's own image stays."""
    if c.base_image or not any(_APT.search(block.text) for block in (*c.setup, *c.start)):
        return
    c.base_image = UBUNTU
    c.setup.insert(0, toolchains.basics())
    c.note(
        f"The scripts install with apt, so the base image is {UBUNTU} with the usual tools; "
        "a cloud's own machine has many more languages than that."
    )
