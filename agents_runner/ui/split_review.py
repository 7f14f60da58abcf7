"""Auto-split: every statement with its stage and reason, both results beside it, and moving by mouse or keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import QItemSelection, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QHeaderView,
    QMenu,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.preflight.messages import Piece, Review, SplitRequest, Ties
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.split_model import LINE, REASON, STAGE, STATEMENT, SURE, SplitTable, line_list
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import button, fit_columns, plain, row, set_role, set_up_table, tip

KEYS = (
    "C, R and B move what is selected to cached, run or both; P puts it back as proposed; U goes to the next unsure."
)
_KEY = "split review"
_MOVES = {Qt.Key.Key_C: "cached", Qt.Key.Key_R: "run", Qt.Key.Key_B: "both", Qt.Key.Key_P: ""}
_TIES_MS = 120


class StatementTable(QTableView):
    """`moved` carries the stage that a key asks for, "" for the proposal."""

    moved = Signal(str)
    unsure = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain_key = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        if plain_key and event.key() in _MOVES:
            self.moved.emit(_MOVES[Qt.Key(event.key())])
        elif plain_key and event.key() == Qt.Key.Key_U:
            self.unsure.emit()
        else:
            super().keyPressEvent(event)


class SplitReview(QDialog):
    """`applied` carries both scripts; whatever else happens to the dialog, nothing has changed."""

    applied = Signal(str, str)

    def __init__(self, analyzer: Analyzer, text: str, available: tuple[str, ...], parent: QWidget, note: str) -> None:
        super().__init__(parent)
        self._analyzer = analyzer
        self._text = text
        self._available = available
        self._review: Review | None = None
        self._undo: list[Mapping[int, str]] = []
        self._redo: list[Mapping[int, str]] = []
        self._moves: Mapping[int, str] = {}
        self._asked: tuple[int, ...] = ()
        self._ties_of = -1
        self.setObjectName("split-review")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Auto-split")
        room = parent.window().size()
        self.resize(min(1240, max(860, room.width() - 40)), min(820, max(540, room.height() - 40)))
        self._lay_out(note)
        self._connect()
        self._ask(self._moves)

    def settled(self) -> bool:
        """True while no answer is waited for."""
        return not self._waiting.isActive() and not self._busy

    # -- building ----------------------------------------------------------------------------------

    def _lay_out(self, note: str) -> None:
        self.said = plain("Reading the script...", wrap=True)
        self.said.setObjectName("split-said")
        self.marks = QCheckBox("Propose # &step: marks")
        self.marks.setObjectName("split-marks")
        self._apply = button("&Apply", "split-apply", "primary", "Fill both editors (Ctrl+Return)")
        self._apply.setEnabled(False)
        self._cancel = button("Cancel", "split-cancel", hint="Change nothing (Escape)")
        splitter = QSplitter()
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(GRID * 2)
        splitter.addWidget(self._left())
        splitter.addWidget(self._right())
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setSizes([620, 420])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID * 2, GRID * 2, GRID * 2)
        layout.setSpacing(GRID)
        layout.addWidget(self.said)
        layout.addWidget(splitter, 1)
        if note:
            layout.addWidget(plain(note, "muted", wrap=True))
        layout.addLayout(row(self.marks, QWidget(), self._cancel, self._apply, grows=1))

    def _left(self) -> QWidget:
        self.model = SplitTable()
        self.view = StatementTable()
        set_up_table(self.view, "split-statements", "Statements")
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.setModel(self.model)
        self.view.setMinimumWidth(GRID * 44)
        samples = [""] * 5
        samples[LINE], samples[STAGE], samples[SURE] = "999-9999", "cached •", "not sure"
        fit_columns(self.view, samples, stretch=REASON)
        self.view.horizontalHeader().setSectionResizeMode(STATEMENT, QHeaderView.ResizeMode.Stretch)
        self.detail = ScriptEditor("split-detail", "The selected statement, with its comments.")
        self.detail.setReadOnly(True)
        self.detail.setAccessibleName("The selected statement")
        self.detail.setFixedHeight(GRID * 11)
        self.reason = plain("", wrap=True)
        self.reason.setObjectName("split-reason")
        self.ties = plain("", "muted", wrap=True)
        self.ties.setObjectName("split-ties")
        for label in (self.reason, self.ties):
            label.setMinimumHeight(label.fontMetrics().height() * 2)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._buttons: dict[str, QPushButton] = {}
        for stage, text, hint in (
            ("cached", "To &cached", "Baked into the image (C)"),
            ("run", "To &run", "At every start (R)"),
            ("both", "To &both", "In both scripts (B)"),
            ("", "As &proposed", "Back to where the splitter put it (P)"),
        ):
            self._buttons[stage] = button(text, f"split-to-{stage or 'proposed'}", hint=hint)
            self._buttons[stage].setProperty("small", True)
        self._undo_button = button("&Undo", "split-undo", hint="Take the last move back (Ctrl+Z)")
        self._redo_button = button("Re&do", "split-redo", hint="Move it again (Ctrl+Shift+Z)")
        for one in (self._undo_button, self._redo_button):
            one.setProperty("small", True)
        keys = plain(KEYS, "muted", wrap=True)
        keys.setObjectName("split-hint")
        left = QWidget()
        layout = QVBoxLayout(left)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(self.view, 1)
        layout.addLayout(row(*self._buttons.values(), QWidget(), self._undo_button, self._redo_button, grows=4))
        layout.addWidget(keys)
        layout.addWidget(self.detail)
        layout.addWidget(self.reason)
        layout.addWidget(self.ties)
        return left

    def _right(self) -> QWidget:
        right = QSplitter(Qt.Orientation.Vertical)
        right.setChildrenCollapsible(False)
        right.setHandleWidth(GRID)
        right.setMinimumWidth(GRID * 34)
        self.results: dict[str, ScriptEditor] = {}
        self._headings = {}
        for stage, title in (("cached", "Cached preflight"), ("run", "Run preflight")):
            editor = self.results[stage] = ScriptEditor(f"split-{stage}", "", "Nothing goes here.")
            editor.setReadOnly(True)
            editor.setAccessibleName(f"{title}, as it would be")
            heading = self._headings[stage] = plain(title, "heading")
            box = QWidget()
            inner = QVBoxLayout(box)
            inner.setContentsMargins(0, 0, 0, 0)
            inner.setSpacing(GRID // 2)
            inner.addWidget(heading)
            inner.addWidget(editor, 1)
            right.addWidget(box)
        return right

    def _connect(self) -> None:
        self._busy = False
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_TIES_MS)
        self._waiting.timeout.connect(self._ask_ties)
        self.view.moved.connect(self.move_to)
        self.view.unsure.connect(self.next_unsure)
        self.view.customContextMenuRequested.connect(self._menu)
        self.view.selectionModel().selectionChanged.connect(self._selected)
        for stage, one in self._buttons.items():
            one.setEnabled(False)
            one.clicked.connect(partial(self._move_clicked, stage))
        self._undo_button.clicked.connect(self.undo)
        self._redo_button.clicked.connect(self.redo)
        for keys, act in (
            ("Ctrl+Z", self.undo),
            ("Ctrl+Shift+Z", self.redo),
            ("Ctrl+Y", self.redo),
            ("Ctrl+Return", self._accept),
        ):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        self.marks.setEnabled(False)
        self.marks.toggled.connect(self._show_results)
        self._apply.clicked.connect(self._accept)
        self._cancel.clicked.connect(self.reject)
        self._show_undo()

    # -- asking ------------------------------------------------------------------------------------

    def _request(self, moves: Mapping[int, str], about: int | None = None) -> SplitRequest:
        return SplitRequest(text=self._text, available=self._available, moves=moves, about=about)

    def _ask(self, moves: Mapping[int, str], about: tuple[int, ...] = ()) -> None:
        """Split with these moves; `about` are the statements that a person just moved."""
        self._busy = True
        self._asked = about
        self._analyzer.split(_KEY, self._request(moves), self._answered, self._failed)

    def _answered(self, review: Review) -> None:
        self._busy = False
        before, self._review = self._review, review
        self.model.set_pieces(review.pieces)
        self._show_results()
        self._apply.setEnabled(True)
        self.marks.setEnabled(review.marks > 1)
        self.marks.setToolTip(
            tip(
                f"{review.marks} steps: each is a layer of its own, and a change re-runs only what stands behind it."
                if review.marks > 1
                else "There is nothing to tell apart in the cached script."
            )
        )
        self.said.setText(self._sentence(before, review))
        self._show_undo()
        if before is None and review.pieces:
            self.view.selectRow(0)
            self.view.setFocus()
        else:
            self._selected()

    def _failed(self, error: AgentsRunnerError) -> None:
        self._busy = False
        set_role(self.said, "error")
        self.said.setText(str(error))

    def _sentence(self, before: Review | None, review: Review) -> str:
        """What the split is, or what the last move did."""
        if before is not None and self._asked:
            return self._move_sentence(before, review)
        code = [piece for piece in review.pieces if piece.kind == "code"]
        unsure = sum(not piece.certain for piece in code)
        counts = {stage: sum(piece.stage == stage for piece in code) for stage in ("cached", "run", "both")}
        text = (
            f"{len(code)} statements: {counts['cached']} go to the cached preflight, {counts['run']} to the run "
            f"preflight, {counts['both']} to both."
        )
        if not unsure:
            return text
        return text + (
            " One is not sure: look at it first." if unsure == 1 else f" {unsure} are not sure: look at those first."
        )

    def _move_sentence(self, before: Review, review: Review) -> str:
        mine = [review.pieces[index] for index in self._asked]
        followed = [
            new
            for old, new in zip(before.pieces, review.pieces, strict=True)
            if old.stage != new.stage and new.index not in self._asked and new.kind == "code"
        ]
        stages = {piece.stage for piece in mine}
        where = f" to {stages.pop()}" if len(stages) == 1 else ""
        text = f"Moved {line_list(mine)}{where}."
        by_stage: dict[str, list[Piece]] = {}
        for piece in followed:
            by_stage.setdefault(piece.stage, []).append(piece)
        for stage, pieces in by_stage.items():
            text += f" So {line_list(pieces)} followed to {stage}: they hang together."
        return text

    # -- showing -----------------------------------------------------------------------------------

    @Slot()
    def _show_results(self) -> None:
        if self._review is None:
            return
        scripts = {"cached": self.cached_script(), "run": self._review.run}
        for stage, title in (("cached", "Cached preflight"), ("run", "Run preflight")):
            editor = self.results[stage]
            if editor.text() != scripts[stage]:
                place = editor.verticalScrollBar().value()
                editor.setPlainText(scripts[stage])
                editor.verticalScrollBar().setValue(place)
            count = len(scripts[stage].splitlines())
            self._headings[stage].setText(f"{title}: {count} line{'' if count == 1 else 's'}")

    def cached_script(self) -> str:
        if self._review is None:
            return ""
        return self._review.marked if self.marks.isChecked() else self._review.cached

    def _chosen(self) -> list[int]:
        return sorted(index.row() for index in self.view.selectionModel().selectedRows())

    @Slot(QItemSelection, QItemSelection)
    def _selected(self, *_: object) -> None:
        chosen = self._chosen()
        for one in self._buttons.values():
            one.setEnabled(bool(chosen))
        if self._review is None or not chosen:
            return
        piece = self._review.pieces[chosen[0]]
        if self.detail.text() != piece.text.rstrip("\n"):
            self.detail.setPlainText(piece.text.rstrip("\n"))
        self.detail.number_from(piece.start_line)
        others = f" ({len(chosen) - 1} more selected.)" if len(chosen) > 1 else ""
        sure = "" if piece.certain else " Not sure: look at it."
        self.reason.setText(f"{piece.stage}: {piece.reason}{sure}{others}")
        self.ties.setText("")
        self._ties_of = piece.index if len(chosen) == 1 and piece.kind == "code" else -1
        self._waiting.start()

    @Slot()
    def _ask_ties(self) -> None:
        if self._review is None or self._ties_of < 0:
            return
        index, review = self._ties_of, self._review
        self._analyzer.ties(
            f"{_KEY} ties",
            self._request(review.moves, index),
            lambda ties: self._show_ties(review, index, ties),
            lambda _error: None,
        )

    def _show_ties(self, review: Review, index: int, ties: Ties) -> None:
        if index != self._ties_of or review is not self._review:
            return
        piece = review.pieces[index]
        text = ""
        if piece.stage == "run" and ties.needs:
            needs = line_list([review.pieces[one] for one in sorted(ties.needs)])
            text = f"It builds on {needs}, at task start: moved to cached alone it would not find what it needs."
        elif piece.stage == "run" and ties.dependents:
            followers = line_list([review.pieces[one] for one in sorted(ties.dependents)])
            text = f"For its sake {followers} {'is' if len(ties.dependents) == 1 else 'are'} in run as well."
        elif ties.dependents:
            followers = line_list([review.pieces[one] for one in sorted(ties.dependents)])
            text = f"Moved to run, {followers} would follow: they hang together."
        else:
            text = "Nothing else hangs on it."
        self.ties.setText(text)

    def _show_undo(self) -> None:
        self._undo_button.setEnabled(bool(self._undo))
        self._redo_button.setEnabled(bool(self._redo))

    # -- moving ------------------------------------------------------------------------------------

    @Slot(str)
    def move_to(self, stage: str) -> None:
        """Move what is selected to a stage; "" is back to the proposal."""
        chosen = tuple(self._chosen())
        if self._review is None or not chosen:
            return
        moves = {index: to for index, to in self._moves.items() if index not in chosen}
        if stage:
            moves |= dict.fromkeys(chosen, stage)
        if moves == self._moves:
            return
        self._undo.append(self._moves)
        self._redo.clear()
        self._moves = moves
        self._ask(moves, chosen)

    def _move_clicked(self, stage: str, _checked: bool = False) -> None:
        self.move_to(stage)

    @Slot()
    def undo(self) -> None:
        self._step(self._undo, self._redo)

    @Slot()
    def redo(self) -> None:
        self._step(self._redo, self._undo)

    def _step(self, source: list[Mapping[int, str]], target: list[Mapping[int, str]]) -> None:
        if not source:
            return
        target.append(self._moves)
        before, self._moves = self._moves, source.pop()
        changed = {index for index in {*before, *self._moves} if before.get(index) != self._moves.get(index)}
        self._ask(self._moves, tuple(sorted(changed)))

    @Slot()
    def next_unsure(self) -> None:
        rows = [piece.index for piece in self.model.pieces if not piece.certain]
        if rows:
            here = max(self._chosen(), default=-1)
            self.view.selectRow(next((number for number in rows if number > here), rows[0]))

    @Slot(QPoint)
    def _menu(self, place: QPoint) -> None:
        if not self.view.indexAt(place).isValid():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for stage, one in self._buttons.items():
            menu.addAction(one.text(), partial(self.move_to, stage))
        menu.popup(self.view.viewport().mapToGlobal(place))

    @Slot()
    def _accept(self) -> None:
        # With a move still under way the person would get what is not on the screen.
        if self._review is None or self._busy:
            return
        self.applied.emit(self.cached_script(), self._review.run)
        self.accept()

    def done(self, result: int) -> None:
        for key in (_KEY, f"{_KEY} ties"):
            self._analyzer.drop(key)
        super().done(result)
