"""The live view of a desktop as a process of its own, so that a browser engine's crash takes nothing else along.

The first line of its standard input is a JSON object: `url` (with its token: that is why it is no argument), `title`,
`embed`. Standard output says in JSON lines `window` (the id of its window, 0 if that stands by itself) and `loaded`.
With `embed` the window waits out of sight to be taken in. The process ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

RENDERER_ENDED, NOT_LOADED = 3, 4
_WIDTH, _HEIGHT = 1280, 840


def _end_with_input() -> None:
    for _line in sys.stdin:
        pass
    # Whoever started it is gone. Nothing is kept here that would have to be closed.
    os._exit(0)


def _say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main() -> int:
    request = json.loads(sys.stdin.readline())
    # Before the application is made: the module prepares the sharing of its graphics.
    from PySide6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile
    from PySide6.QtWebEngineWidgets import QWebEngineView

    address = QUrl(request["url"])
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Agents Runner")
    QGuiApplication.setDesktopFileName("agents-runner")

    class Page(QWebEnginePage):
        """Stays at the desktop's proxy, and keeps what the page says about itself out of every log."""

        def acceptNavigationRequest(self, url: QUrl | str, _kind: object, _main_frame: bool) -> bool:
            asked = QUrl(url)
            return (asked.scheme(), asked.host(), asked.port()) == (address.scheme(), address.host(), address.port())

        def javaScriptConsoleMessage(self, *_message: object) -> None:
            pass

    # Without a name a profile keeps nothing on the disk.
    profile = QWebEngineProfile(app)
    view = QWebEngineView()
    page = Page(profile, view)
    view.setPage(page)
    view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
    view.setWindowTitle(request["title"])
    view.resize(_WIDTH, _HEIGHT)
    page.renderProcessTerminated.connect(lambda *_: app.exit(RENDERER_ENDED))

    def loaded(well: bool) -> None:
        _say(loaded=well)
        if not well:
            app.exit(NOT_LOADED)

    page.loadFinished.connect(loaded)
    if request["embed"] and QGuiApplication.platformName() == "xcb":
        # Out of sight until it is taken in. Its id holds only from now on: showing it makes the window anew.
        view.setWindowFlags(Qt.WindowType.FramelessWindowHint | Qt.WindowType.X11BypassWindowManagerHint)
        view.move(-2 * _WIDTH, -2 * _HEIGHT)
        view.show()
        QTimer.singleShot(0, lambda: _say(window=int(view.winId())))
    else:
        view.show()
        _say(window=0)
    threading.Thread(target=_end_with_input, name="stdin", daemon=True).start()
    view.load(address)
    return int(app.exec())


if __name__ == "__main__":
    os._exit(main())
