"""A task's desktop, live, in a program of its own: if the browser engine crashes, the window goes on.

Started as `python -m agents_runner.ui.live_view`. It reads one line of JSON from standard input (`url`, `title`), so
that the address with its token is in no list of processes, prints `window ID` once it is shown, and ends when its
standard input does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading

MODULE = "PySide6.QtWebEngineWidgets"


def is_there() -> bool:
    """True if the browser engine is installed (`agents-runner[desktop]`); it is not loaded."""
    try:
        return importlib.util.find_spec(MODULE) is not None
    except (ImportError, ValueError):
        return False


def main() -> int:
    if os.geteuid() == 0:
        # The browser engine's sandbox refuses to work for root; the page can only talk to the door.
        os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
    from PySide6.QtCore import QUrl
    from PySide6.QtWebEngineWidgets import QWebEngineView
    from PySide6.QtWidgets import QApplication

    said = json.loads(sys.stdin.readline())
    app = QApplication(sys.argv[:1])
    view = QWebEngineView()
    view.setWindowTitle(str(said["title"]))
    view.resize(1280, 830)
    view.load(QUrl(str(said["url"])))
    view.show()
    sys.stdout.write(f"window {int(view.winId())}\n")
    sys.stdout.flush()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        # Not Qt's way out: from another thread, and whatever the engine is doing.
        os._exit(0)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    return int(app.exec())


if __name__ == "__main__":
    sys.exit(main())
