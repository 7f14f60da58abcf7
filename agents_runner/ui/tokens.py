"""Colours and sizes by name, for light and dark; the palette and the one style sheet are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QColor, QPalette

GRID = 8
"""All spacing is a multiple of this, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One theme: `#rrggbb` colours named by what they are for."""

    name: str
    window: str
    panel: str
    field: str
    line: str
    handle: str
    text: str
    muted: str
    accent: str
    on_accent: str
    selection: str
    on_selection: str
    danger: str
    good: str
    warn: str
    warn_panel: str
    danger_panel: str
    busy: str


TEXT_ON = (
    ("text", "window"),
    ("text", "panel"),
    ("text", "field"),
    ("text", "warn_panel"),
    ("text", "danger_panel"),
    ("muted", "window"),
    ("muted", "panel"),
    ("muted", "field"),
    ("on_accent", "accent"),
    ("on_selection", "selection"),
    ("danger", "window"),
    ("danger", "panel"),
    ("danger", "field"),
    ("danger", "danger_panel"),
    ("danger", "selection"),
    ("good", "window"),
    ("good", "field"),
    ("good", "selection"),
    ("warn", "field"),
    ("warn", "window"),
    ("warn", "selection"),
    ("busy", "window"),
    ("busy", "field"),
    ("busy", "selection"),
    ("muted", "selection"),
)
"""Each pair of a text's colour and what lies behind it that the window uses."""

LIGHT = Tokens(
    name="light",
    window="#f4f5f7",
    panel="#ffffff",
    field="#ffffff",
    line="#c9ced6",
    handle="#8b94a0",
    text="#1b1f24",
    muted="#59626d",
    accent="#0b6e4f",
    on_accent="#ffffff",
    selection="#d7ece3",
    on_selection="#10352a",
    danger="#b3261e",
    good="#0b6e4f",
    warn="#7a4d00",
    warn_panel="#fff4d9",
    danger_panel="#fdecea",
    busy="#0b57a4",
)
DARK = Tokens(
    name="dark",
    window="#16191d",
    panel="#1e2227",
    field="#14171a",
    line="#3b424b",
    handle="#68727e",
    text="#e8eaed",
    muted="#a3acb7",
    accent="#4cc38a",
    on_accent="#08251a",
    selection="#1f4436",
    on_selection="#e3f6ec",
    danger="#ff8a80",
    good="#4cc38a",
    warn="#ffcf70",
    warn_panel="#3a2f14",
    danger_panel="#3a1d1b",
    busy="#7db8ff",
)


def palette(tokens: Tokens) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: tokens.window,
        QPalette.ColorRole.WindowText: tokens.text,
        QPalette.ColorRole.Base: tokens.field,
        QPalette.ColorRole.AlternateBase: tokens.window,
        QPalette.ColorRole.Text: tokens.text,
        QPalette.ColorRole.Button: tokens.panel,
        QPalette.ColorRole.ButtonText: tokens.text,
        QPalette.ColorRole.Highlight: tokens.selection,
        QPalette.ColorRole.HighlightedText: tokens.on_selection,
        QPalette.ColorRole.ToolTipBase: tokens.panel,
        QPalette.ColorRole.ToolTipText: tokens.text,
        QPalette.ColorRole.PlaceholderText: tokens.muted,
        QPalette.ColorRole.Link: tokens.accent,
        QPalette.ColorRole.Accent: tokens.accent,
    }
    made = QPalette()
    for role, color in roles.items():
        made.setColor(role, QColor(color))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(tokens.muted))
    return made


def style_sheet(t: Tokens) -> str:
    """The one style sheet, made of its parts."""
    return "\n".join((_frame(t), _labels(t), _editors(t), _tables(t), _buttons(t), _checks(t), _tabs(t)))


def _frame(t: Tokens) -> str:
    return f"""
    QWidget {{ font-size: 14px; }}
    QToolTip {{ color: {t.text}; background: {t.panel}; border: 1px solid {t.line}; padding: 4px; }}
    #side {{ background: {t.panel}; border: none; border-right: 1px solid {t.line}; }}
    #app-name {{ font-size: 15px; font-weight: 600; padding: 16px 8px 12px 16px; }}
    #sidebar, #sidebar:focus {{ background: {t.panel}; border: none; outline: none; padding: 0; }}
    #sidebar::item {{ padding: 8px 12px; color: {t.text}; border: 2px solid transparent; }}
    #sidebar::item:selected {{
        background: {t.selection}; color: {t.on_selection}; border-left: 4px solid {t.accent}; padding-left: 10px;
    }}
    #sidebar::item:selected:focus {{ border: 2px solid {t.accent}; padding-left: 12px; }}
    QFrame[role="banner"] {{ background: {t.warn_panel}; border: 1px solid {t.warn}; border-radius: 6px; }}
    QFrame[role="banner"] QLabel {{ color: {t.text}; background: transparent; }}
    QFrame[role="offer"] {{ background: {t.window}; border: 1px solid {t.line}; border-radius: 6px; }}
    QFrame[role="failure"] {{ background: {t.danger_panel}; border: 1px solid {t.danger}; border-radius: 6px; }}
    QFrame[role="failure"] QLabel {{ background: transparent; }}
    QScrollBar {{ background: transparent; border: none; margin: 0; }}
    QScrollBar:vertical {{ width: 12px; }}
    QScrollBar:horizontal {{ height: 12px; }}
    QScrollBar::handle {{ background: {t.handle}; border-radius: 4px; margin: 2px; }}
    QScrollBar::handle:vertical {{ min-height: 24px; }}
    QScrollBar::handle:horizontal {{ min-width: 24px; }}
    QScrollBar::handle:hover {{ background: {t.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QSplitter::handle {{ background: transparent; }}
    QScrollArea, #scrolled-body, #fitting-body {{ border: none; background: transparent; }}
    """


def _labels(t: Tokens) -> str:
    return f"""
    QLabel[role="title"] {{ font-size: 20px; font-weight: 600; }}
    QLabel[role="heading"] {{ font-weight: 600; }}
    QLabel[role="muted"] {{ color: {t.muted}; }}
    QLabel[role="error"] {{ color: {t.danger}; }}
    QLabel[role="good"] {{ color: {t.good}; }}
    QLabel[role="busy"] {{ color: {t.busy}; }}
    QLabel[role="badge-warn"] {{
        color: {t.warn}; border: 1px solid {t.warn}; border-radius: 4px; padding: 0 4px; font-size: 11px; }}
    QLabel[role="tail"] {{ color: {t.text}; font-family: monospace; }}
    """


def _editors(t: Tokens) -> str:
    icons = (Path(__file__).parent / "icons").as_posix()
    return f"""
    QLineEdit, QPlainTextEdit, QComboBox, QListView, QTableView {{
        background: {t.field}; color: {t.text}; border: 1px solid {t.line}; border-radius: 4px; padding: 4px 6px;
        selection-background-color: {t.selection}; selection-color: {t.on_selection};
    }}
    QLineEdit, QComboBox {{ min-height: 20px; }}
    QLineEdit, QPlainTextEdit {{ placeholder-text-color: {t.muted}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus {{
        border: 2px solid {t.accent}; padding: 3px 5px;
    }}
    QPlainTextEdit[script="true"] {{ padding: 1px; }}
    QPlainTextEdit[script="true"]:focus {{ padding: 0; }}
    QLineEdit:disabled, QPlainTextEdit:disabled, QComboBox:disabled {{
        color: {t.muted}; background: {t.window};
    }}
    *[invalid="true"], *[invalid="true"]:focus {{ border: 2px solid {t.danger}; padding: 3px 5px; }}
    QPlainTextEdit[script="true"][invalid="true"] {{ padding: 0; }}
    /* Drawn as a list, not as a menu: a menu's height does not count the border and the padding above. */
    QComboBox {{ combobox-popup: 0; }}
    QComboBox QAbstractItemView {{ background: {t.panel}; color: {t.text}; border: 1px solid {t.line}; }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow {{ image: url({icons}/chevron-{t.name}.svg); width: 16px; height: 16px; }}
    """


def _tables(t: Tokens) -> str:
    return f"""
    QListView, QTableView {{ padding: 0; outline: none; gridline-color: {t.line}; }}
    QListView:focus, QTableView:focus {{ border: 2px solid {t.accent}; padding: 0; margin: 0; }}
    QTableView::item {{ padding: 0 4px; border: none; }}
    QListView::item:selected {{ background: {t.selection}; color: {t.on_selection}; }}
    /* Without a colour: a selected row's state keeps its own, see `OwnColors`. */
    QTableView::item:selected {{ background: {t.selection}; }}
    QHeaderView {{ background: {t.panel}; }}
    QHeaderView::section {{
        background: {t.panel}; color: {t.muted}; border: none; border-bottom: 1px solid {t.line}; padding: 6px 6px;
    }}
    """


def _buttons(t: Tokens) -> str:
    return f"""
    QPushButton {{
        background: {t.panel}; color: {t.text}; border: 1px solid {t.line}; border-radius: 4px; padding: 6px 14px;
    }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QPushButton:pressed {{ background: {t.selection}; }}
    QPushButton:focus {{ border: 2px solid {t.accent}; padding: 5px 13px; }}
    QPushButton:disabled {{ color: {t.muted}; background: {t.window}; }}
    QPushButton[role="primary"] {{
        background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600;
    }}
    QPushButton[role="primary"]:hover {{ border-color: {t.text}; }}
    QPushButton[role="primary"]:focus {{ border: 2px solid {t.text}; }}
    QPushButton[role="primary"]:disabled {{ background: {t.window}; color: {t.muted}; border-color: {t.line}; }}
    QPushButton[small="true"] {{ padding: 4px 8px; }}
    QPushButton[small="true"]:focus {{ padding: 3px 7px; }}
    QPushButton::menu-indicator {{ image: none; }}
    QPushButton[role="danger"] {{ color: {t.danger}; border-color: {t.danger}; }}
    QPushButton[role="danger"]:disabled {{ color: {t.muted}; border-color: {t.line}; }}
    """


def _checks(t: Tokens) -> str:
    icons = (Path(__file__).parent / "icons").as_posix()
    return f"""
    QCheckBox {{ spacing: 8px; padding: 2px; border: 2px solid transparent; border-radius: 4px; }}
    QCheckBox:focus {{ border-color: {t.accent}; }}
    QCheckBox:disabled {{ color: {t.muted}; }}
    QCheckBox::indicator, QAbstractItemView::indicator {{
        width: 16px; height: 16px; border: 1px solid {t.muted}; border-radius: 3px; background: {t.field};
    }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{
        background: {t.accent}; border-color: {t.accent}; image: url({icons}/check-{t.name}.svg);
    }}
    """


def _tabs(t: Tokens) -> str:
    return f"""
    QTabWidget::pane {{ border: 1px solid {t.line}; border-radius: 4px; background: {t.panel}; }}
    QTabBar::tab {{ padding: 8px 9px; color: {t.muted}; border: none; border-bottom: 2px solid transparent; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:selected:focus {{ border: 2px solid {t.accent}; border-radius: 4px; padding: 6px 7px; }}
    """
