"""Where things are inside a container with a desktop, and the commands that the application runs there."""

from __future__ import annotations

from agents_runner.core.task_plan import CONTROL_PATH
from agents_runner.launcher.tools import through_loader

FOLDER = "/tmp/agents-runner-desktop"
"""Private folder of the person's: the VNC server's socket, logs, the display's name, the last picture."""
LAST_PICTURE = FOLDER + "/last.png"
SCRIPTS = CONTROL_PATH + "/in/desktop"
CONNECT = ("socat", "STDIO", f"UNIX-CONNECT:{FOLDER}/vnc.sock,retry=250,interval=0.02")
"""Standard input and output become the VNC server's socket; it may take some seconds to be there."""
PICTURE = ("/bin/sh", SCRIPTS + "/picture.sh", "-")
"""A PNG of the screen on standard output; status 3 where there is no desktop."""
PNG = b"\x89PNG\r\n\x1a\n"


ROOT = "0:0"
"""Who starts a command of `as_person`."""


def as_person(user: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command as `user` (`uid:gid`) without any right, as the agent has none: what it runs may be the agent's.

    It is to be started as `ROOT`: only root can give up the rights that a program could otherwise get back by sudo.
    """
    uid, _, gid = user.partition(":")
    who = (f"--reuid=+{uid}", f"--regid=+{gid}", "--clear-groups")
    nothing = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs")
    return (*through_loader("setpriv"), *who, *nothing, "--", *argv)


def is_picture(data: bytes | None) -> bool:
    """True for what begins as a PNG does: what comes out of a container is whatever it likes."""
    return data is not None and data.startswith(PNG)
