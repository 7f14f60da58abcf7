"""Two edits of one thing that began from the same state: what each of them changed is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)
_WHOLE = frozenset({"agent_args"})
"""Lists whose order and number say something: they are one value."""


def rebased(wanted: Model, base: Model, current: Model) -> Model:
    """`wanted`, which was made from `base`, as an edit of `current`: what it did not change stays as it is now.

    Of mappings and lists the single entries count. Where both changed the same value, `wanted` has it.
    """
    if current == base:
        return wanted
    was, want, now = _fields(base), _fields(wanted), _fields(current)
    changed = {
        name: _merged(name, was.get(name), want[name], now.get(name)) for name in want if want[name] != was.get(name)
    }
    gone = was.keys() - want.keys()  # of the fields that this version does not know
    return type(current).model_validate({**{name: one for name, one in now.items() if name not in gone}, **changed})


def _fields(model: BaseModel) -> dict[str, Any]:
    return {**{name: getattr(model, name) for name in type(model).model_fields}, **(model.model_extra or {})}


def _merged(name: str, was: Any, want: Any, now: Any) -> Any:
    if name in _WHOLE or now == was:
        return want
    if all(isinstance(one, Mapping) for one in (was, want, now)):
        kept = {key: value for key, value in now.items() if key in want or key not in was}
        return kept | {key: value for key, value in want.items() if key not in was or was[key] != value}
    if all(isinstance(one, tuple) for one in (was, want, now)):
        kept_items = [one for one in now if one in want or one not in was]
        return (*kept_items, *(one for one in want if one not in was and one not in kept_items))
    return want
