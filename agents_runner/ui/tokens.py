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
    busy: str


LIGHT = Tokens(
    name="light",
    window="#f4f5f7",
    panel="#ffffff",
    field="#ffffff",
    line="#c9ced6",
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
    busy="#0b57a4",
)
DARK = Tokens(
    name="dark",
    window="#16191d",
    panel="#1e2227",
    field="#14171a",
    line="#3b424b",
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
    icons = (Path(__file__).parent / "icons").as_posix()
    return f"""
    QWidget {{ font-size: 14px; }}
    QToolTip {{ color: {t.text}; background: {t.panel}; border: 1px solid {t.line}; padding: 4px; }}
    #sidebar {{ background: {t.panel}; border: none; border-right: 1px solid {t.line}; outline: none; }}
    #sidebar::item {{ padding: 10px 16px; color: {t.text}; }}
    #sidebar::item:selected {{
        background: {t.selection}; color: {t.on_selection}; border-left: 3px solid {t.accent};
    }}
    #sidebar:focus {{ border: none; border-right: 2px solid {t.accent}; padding: 0; }}
    QLabel[role="title"] {{ font-size: 20px; font-weight: 600; }}
    QLabel[role="muted"] {{ color: {t.muted}; }}
    QLabel[role="error"] {{ color: {t.danger}; }}
    QLabel[role="good"] {{ color: {t.good}; }}
    QFrame[role="banner"] {{ background: {t.warn_panel}; border: 1px solid {t.warn}; border-radius: 6px; }}
    QFrame[role="banner"] QLabel {{ color: {t.text}; background: transparent; }}
    QFrame[role="failure"] {{ background: {t.panel}; border: 1px solid {t.danger}; border-radius: 6px; }}
    QLineEdit, QPlainTextEdit, QComboBox, QSpinBox, QListView, QTableView, QTreeView {{
        background: {t.field}; color: {t.text}; border: 1px solid {t.line}; border-radius: 4px; padding: 4px 6px;
        selection-background-color: {t.selection}; selection-color: {t.on_selection};
    }}
    QListView, QTableView {{ padding: 0; outline: none; gridline-color: {t.line}; }}
    QTableView::item {{ padding: 0 8px; }}
    QListView::item {{ padding: 6px 8px; }}
    QListView::item:selected, QTableView::item:selected {{ background: {t.selection}; color: {t.on_selection}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus, QSpinBox:focus, QListView:focus, QTableView:focus {{
        border: 2px solid {t.accent}; padding: 3px 5px;
    }}
    QListView:focus, QTableView:focus {{ padding: 0; }}
    *[invalid="true"] {{ border: 2px solid {t.danger}; }}
    QComboBox QAbstractItemView {{ background: {t.panel}; color: {t.text}; border: 1px solid {t.line}; }}
    QHeaderView::section {{
        background: {t.panel}; color: {t.muted}; border: none; border-bottom: 1px solid {t.line}; padding: 6px 8px;
    }}
    QPushButton {{
        background: {t.panel}; color: {t.text}; border: 1px solid {t.line}; border-radius: 4px; padding: 6px 14px;
    }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QPushButton:focus {{ border: 2px solid {t.accent}; padding: 5px 13px; }}
    QPushButton:disabled {{ color: {t.muted}; background: {t.window}; }}
    QPushButton[role="primary"] {{
        background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600;
    }}
    QPushButton[role="primary"]:focus {{ border: 2px solid {t.text}; }}
    QPushButton[role="primary"]:disabled {{ background: {t.window}; color: {t.muted}; border-color: {t.line}; }}
    QPushButton[role="danger"] {{ color: {t.danger}; border-color: {t.danger}; }}
    QPushButton[role="danger"]:disabled {{ color: {t.muted}; border-color: {t.line}; }}
    QCheckBox {{ spacing: 8px; padding: 2px; border: 2px solid transparent; border-radius: 4px; }}
    QCheckBox:focus {{ border-color: {t.accent}; }}
    QCheckBox::indicator {{
        width: 16px; height: 16px; border: 1px solid {t.muted}; border-radius: 3px; background: {t.field};
    }}
    QCheckBox::indicator:checked {{
        background: {t.accent}; border-color: {t.accent}; image: url({icons}/check-{t.name}.svg);
    }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow {{ image: url({icons}/chevron-{t.name}.svg); width: 16px; height: 16px; }}
    QTabWidget::pane {{ border: 1px solid {t.line}; border-radius: 4px; background: {t.panel}; }}
    QTabBar::tab {{ padding: 8px 14px; color: {t.muted}; border: none; border-bottom: 2px solid transparent; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:selected:focus {{ border: 2px solid {t.accent}; border-radius: 4px; }}
    QSplitter::handle {{ background: {t.line}; }}
    QScrollArea {{ border: none; background: transparent; }}
    #form-body {{ background: transparent; }}
    """
