"""The Preflight page of an environment: both scripts, how they are shown, and what helps to get from one to two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QComboBox, QMenu, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from agents_runner.preflight.messages import CheckRequest
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.dialogs import choose
from agents_runner.ui.environment_editors import CACHED_TIP, RUN_TIP, SINGLE_TIP, EnvironmentEditors, combo
from agents_runner.ui.form_state import FormState
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.script_panel import ScriptPanel, count_text
from agents_runner.ui.split_review import SplitReview
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, ElidedLabel, Field, button, plain, row, tip

SINGLE, SPLIT = "single", "split"
MODES = ((SINGLE, "Single script"), (SPLIT, "Split: cached and run"))
_SAYS = {
    SINGLE: "One script, run at every task start.",
    SPLIT: "The cached script is baked into an image once, the run script runs at every start.",
}
UNSPLIT = "Caching is on, but everything is in one script: all of it runs at every start, and nothing is cached."
KEPT = "There is a cached preflight as well. It is kept as it is, and it still runs before this script."
OFF = "Preflight scripts are switched off for this environment: neither runs. Both texts stay."
SPLIT_TIP = "Look at each statement of the run script, and move what can be cached; nothing changes before Apply."
WIDE = 760
"""Pixels of the page from which on there is room for a sentence beside the mode."""
QUESTION = "Everything is in one script. Split it now?"
MEANWHILE = (
    "A cached image is made of the cached preflight, and there is none yet. Until it is split, all of the script "
    "runs at every task start, exactly as without caching: nothing breaks, but nothing gets quicker.\n\n"
    "Splitting shows you every line and where it goes before anything changes."
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All of the form that changes what the page says or allows."""

    single: bool
    """As it is shown."""
    read_only: bool
    off: bool
    unsplit: bool
    cached: bool
    run: bool
    original: bool
    """There is an older single script that differs from the run script."""


class PreflightPage(QWidget):
    """`state` tells the form's values now; the editors are the form's own, and only Apply changes their texts."""

    test_wanted = Signal(bool)
    """True: fresh, without any cached image."""
    test_all_wanted = Signal()
    """Every environment that has scripts is to be tested."""

    def __init__(
        self,
        editors: EnvironmentEditors,
        fields: dict[str, Field],
        analyzer: Analyzer,
        state: Callable[[], FormState],
    ) -> None:
        super().__init__()
        self._analyzer = analyzer
        self._state = state
        self._cache = editors.switch("cache_container_build")
        self._views: dict[str, str] = {}
        self._key = ""
        self._facts: Facts | None = None
        self.cached = ScriptPanel(fields["cached_preflight_script"], analyzer, lambda: self._request("cached"))
        self.run = ScriptPanel(fields["run_preflight_script"], analyzer, lambda: self._request("run"))
        self._lay_out()
        self._connect()

    # -- building ----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.mode: QComboBox = combo("preflight-mode", MODES)
        self.mode.setAccessibleName("How the scripts are shown")
        self.mode.setToolTip(tip("Changes what is shown and asked, never a text."))
        self.mode.setMinimumContentsLength(18)
        self.mode.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.says = ElidedLabel(role="muted")
        self.split_button = button("Auto-spli&t...", "auto-split")
        self.validate_button = button(
            "Validate",
            "validate-preflight",
            hint="Check both scripts thoroughly, with bash and shellcheck where they are installed.",
        )
        self.test_button = button("Test preflight ▾", "test-preflight")
        self.test_button.setAccessibleName("Test preflight")
        menu = QMenu(self.test_button)
        menu.setObjectName("test-preflight-menu")
        for fresh, text in (
            (False, "With cached images, as a &task would"),
            (True, "&Fresh, without any cached image"),
        ):
            menu.addAction(text, partial(self.test_wanted.emit, fresh))
        menu.addSeparator()
        menu.addAction("&All environments, as tasks would", self.test_all_wanted.emit)
        self.test_button.setMenu(menu)
        self.test_button.hide()
        self.banner = Banner("preflight-banner", "Auto-split...")
        self.notice = Banner("preflight-notice", "Show both")
        self.tabs = QTabWidget()
        self.tabs.setObjectName("preflight-tabs")
        self.tabs.setUsesScrollButtons(True)
        self.original = ScriptEditor("env-original-preflight", "The single script as an older version left it.")
        self.original.setReadOnly(True)
        self.original.setAccessibleName("Original single script")
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(GRID, GRID, GRID, GRID)
        inner.addWidget(
            plain("Kept as an older version left it; it does not run. Select and copy what you need.", "muted")
        )
        inner.addWidget(self.original, 1)
        for panel, title, hint in (
            (self.cached, "Cached preflight", CACHED_TIP),
            (self.run, "Run preflight", RUN_TIP),
            (holder, "Original", "The single script as an older version left it."),
        ):
            number = self.tabs.addTab(panel, title)
            self.tabs.setTabToolTip(number, tip(hint))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        actions = QWidget()
        buttons = row(self.split_button, self.validate_button)
        buttons.setContentsMargins(0, 0, 0, GRID // 2)
        actions.setLayout(buttons)
        self.tabs.setCornerWidget(actions)
        for one in (self.split_button, self.validate_button):
            one.setProperty("small", True)
        between = QWidget()
        inside = row(self.says, grows=0)
        inside.setContentsMargins(0, 0, 0, 0)
        between.setLayout(inside)
        layout.addLayout(row(self.mode, between, self.test_button, grows=1))
        layout.addWidget(self.banner)
        layout.addWidget(self.notice)
        layout.addWidget(self.tabs, 1)

    def _connect(self) -> None:
        self.mode.activated.connect(self._mode_chosen)
        self.split_button.clicked.connect(self.auto_split)
        self.banner.acted.connect(self.auto_split)
        self.notice.acted.connect(self._show_both)
        self.validate_button.clicked.connect(self.validate)
        for panel in (self.cached, self.run):
            panel.list.model_.modelReset.connect(self._show_icons)

    # -- what the form uses ------------------------------------------------------------------------

    def view(self) -> str:
        """`single` or `split`: only how it is shown."""
        return str(self.mode.currentData())

    def settled(self) -> bool:
        """True while no answer is waited for."""
        review = self.window().findChild(SplitReview)
        return all(
            (
                self.cached.settled() or not self.cached.isVisible(),
                self.run.settled() or not self.run.isVisible(),
                review is None or review.settled(),
                not self._analyzer.pending,
            )
        )

    def show_state(self, state: FormState, key: str) -> None:
        """A state is shown, of the environment `key`; how it is shown follows the texts unless a person chose."""
        if key != self._key:
            self._key = key
            self.cached.show_again()
            self.run.show_again()
            self._set_view(self._views.get(key, SINGLE if state.unsplit else SPLIT))
        if self.original.text() != state.preflight_script:
            self.original.setPlainText(state.preflight_script)
        self.refresh(state)

    def refresh(self, state: FormState) -> None:
        """After any change of the form: what is to be said about it, and what is possible now."""
        self.cached.check_soon()
        self.run.check_soon()
        old, run = state.preflight_script, state.run_preflight_script
        now = Facts(
            single=self.view() == SINGLE,
            read_only=not self.isEnabled(),
            off=not state.on("preflight_enabled"),
            unsplit=state.unsplit and state.on("cache_container_build") and state.on("preflight_enabled"),
            cached=bool(state.cached_preflight_script.strip()),
            run=bool(run.strip()),
            original=bool(old.strip()) and old != run,
        )
        # Asked with every key: what is shown already is not painted again.
        if now != self._facts:
            self._facts = now
            self._show_facts(now)

    def _show_facts(self, now: Facts) -> None:
        self.says.set_text(_SAYS[SINGLE if now.single else SPLIT])
        self.banner.show_text(
            OFF if now.off else UNSPLIT if now.unsplit else "", action=now.unsplit and not now.read_only
        )
        self.notice.show_text(KEPT if now.single and now.cached else "")
        self.split_button.setEnabled(now.run and not now.read_only)
        self.split_button.setToolTip(tip(SPLIT_TIP if now.run else "There is no run script to split."))
        self.validate_button.setEnabled(now.cached or now.run)
        self.tabs.setTabVisible(2, now.original)

    def set_testable(self, *, possible: bool, ready: bool) -> None:
        """Whether there is a way to test at all, and whether what is shown is saved."""
        self.test_button.setVisible(possible)
        self.test_button.setEnabled(ready)
        self.test_button.setToolTip(
            tip("Run both scripts in a container, without an agent." if ready else "Save it first")
        )

    def reveal(self, field: QWidget) -> None:
        """Bring a script's field to sight."""
        if self.cached.isAncestorOf(field):
            self._set_view(SPLIT)
        for panel in (self.cached, self.run):
            if panel.isAncestorOf(field):
                self.tabs.setCurrentWidget(panel)

    def caching_switched_on(self) -> None:
        """A person turned caching on: ask what is to become of a script that is not split."""
        state = self._state()
        if not (state.unsplit and state.on("preflight_enabled")):
            return
        choose(
            self.window(),
            "unsplit",
            "Caching",
            QUESTION,
            MEANWHILE,
            (
                ("now", "&Split it now", self.auto_split),
                ("later", "&Later", lambda: None),
                ("off", "&Turn caching off", lambda: self._cache.setChecked(False)),
            ),
            escape="later",
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # Half a sentence tells nothing.
        self.says.setVisible(event.size().width() >= WIDE)

    # -- how it is shown ---------------------------------------------------------------------------

    @Slot()
    def _mode_chosen(self) -> None:
        self._views[self._key] = self.view()
        self._set_view(self.view())
        self.refresh(self._state())

    @Slot()
    def _show_both(self) -> None:
        self._views[self._key] = SPLIT
        self._set_view(SPLIT)
        self.tabs.setCurrentIndex(0)
        self.refresh(self._state())

    def _set_view(self, view: str) -> None:
        self.mode.setCurrentIndex(self.mode.findData(view))
        single = view == SINGLE
        self.tabs.setTabVisible(0, not single)
        self.tabs.setTabText(1, "Script" if single else "Run preflight")
        self.tabs.setTabToolTip(1, tip(SINGLE_TIP if single else RUN_TIP))
        self.run.editor.setToolTip(tip(SINGLE_TIP if single else RUN_TIP))
        self.tabs.setCurrentIndex(1 if single else 0)

    @Slot()
    def _show_icons(self) -> None:
        for number, panel in enumerate((self.cached, self.run)):
            severe = any(one.severe for one in panel.findings)
            self.tabs.setTabIcon(number, _warning_icon(severe=severe) if panel.findings else QIcon())
            hint = (CACHED_TIP, SINGLE_TIP if self.view() == SINGLE else RUN_TIP)[number]
            more = f"\n{count_text(len(panel.findings))}." if panel.findings else ""
            self.tabs.setTabToolTip(number, tip(hint + more))

    # -- checking ----------------------------------------------------------------------------------

    def _request(self, stage: str, *, programs: bool = False) -> CheckRequest:
        state = self._state()
        cached, run = state.cached_preflight_script, state.run_preflight_script
        if stage == "run" and not cached.strip() and self.view() == SINGLE:
            stage = "single"
        return CheckRequest(
            text=cached if stage == "cached" else run,
            stage=stage,
            before=cached if stage == "run" else "",
            available=state.variable_names,
            programs=programs,
        )

    @Slot()
    def validate(self) -> None:
        """Check both scripts with every program there is, and show the first that has a warning."""
        found: dict[str, int] = {}
        wanted = {
            stage: panel
            for stage, panel in (("cached", self.cached), ("run", self.run))
            if self._request(stage).text.strip()
        }

        def done(stage: str, count: int, _programs: tuple[str, ...]) -> None:
            found[stage] = count
            here = self.tabs.currentWidget()
            if len(found) < len(wanted) or (here is self.cached and found.get("cached")):
                return
            if here is self.run and found.get("run"):
                return
            first = next((panel for name, panel in wanted.items() if found[name]), None)
            if first is not None and self.tabs.isTabVisible(self.tabs.indexOf(first)):
                self.tabs.setCurrentWidget(first)

        for stage, panel in wanted.items():
            request = self._request(stage, programs=True)
            panel.validate(request, partial(done, stage))

    # -- splitting ---------------------------------------------------------------------------------

    @Slot()
    def auto_split(self) -> None:
        """Open the review of the run script; nothing changes before Apply."""
        state = self._state()
        if not state.run_preflight_script.strip() or not self.isEnabled():
            return
        note = ""
        if state.cached_preflight_script.strip():
            note = "What goes to the cached preflight is added to the end of the one that is there."
        review = SplitReview(self._analyzer, state.run_preflight_script, state.variable_names, self.window(), note)
        review.applied.connect(self._apply_split)
        review.open()

    @Slot(str, str)
    def _apply_split(self, cached: str, run: str) -> None:
        there = self._state().cached_preflight_script
        if there.strip() and cached:
            cached = there + ("" if there.endswith("\n") else "\n") + cached
        elif there.strip():
            cached = there
        self._views.pop(self._key, None)
        self._set_view(SPLIT)
        self.cached.editor.replace_text(cached)
        self.run.editor.replace_text(run)
        self.tabs.setCurrentIndex(0)
        self.cached.editor.setFocus()


def _warning_icon(*, severe: bool) -> QIcon:
    """The margin's mark, for a tab."""
    tokens = current_tokens()
    picture = QPixmap(24, 24)
    picture.setDevicePixelRatio(2)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(tokens.danger if severe else tokens.warn))
    painter.drawPolygon(QPolygonF([QPointF(6, 0.5), QPointF(11.5, 11), QPointF(0.5, 11)]))
    painter.end()
    return QIcon(picture)
