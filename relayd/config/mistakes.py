"""
What is wrong with a configuration, as sentences that name the key and the mend.

No sentence repeats a value that might be a secret: only numbers out of bounds and words that are on no list are shown.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

__all__ = ["ConfigError", "Mistakes", "key_name", "nearest", "type_at"]

ALIKE = 0.6
"""Two names that share less than this are no slip of the finger."""

TELLS_THE_VALUE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "literal_error"}

PLAIN = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "tuple_type": 'must be a list, like ["a", "b"]',
    "list_type": 'must be a list, like ["a", "b"]',
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
"""By pydantic's error type; what is not here is told in pydantic's words."""

Location = tuple[int | str, ...]


class ConfigError(Exception):
    """The configuration can't be used; `problems` holds a sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        """Keep all the sentences."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Mistakes:
    """Gathers everything that is wrong, so that an operator sees all of it at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self.problems: list[str] = []
        self.origins: dict[str, str] = {}
        """Where a key's value came from, by its full name, when that was not the file."""

    def add(self, name: str, sentence: str) -> None:
        """Note what is wrong with the key of that full name."""
        origin = self.origins.get(name)
        self.problems.append(f"{name}: {sentence}" + (f" (from {origin})" if origin else ""))

    def add_unknown(self, key: str, table: str, known: Mapping[str, Iterable[str]]) -> None:
        """Note a key that `table` does not have; `known` are the keys of all tables."""
        likely = nearest(key, known, prefer=table)
        own = ", ".join(known[table])
        mend = f"did you mean `{likely}`?" if likely else f"there are: {own}" if own else "nothing can be set here"
        self.add(_join(table, key), f"unknown key; {mend}")

    def add_all(
        self, model: type[BaseModel], table: str, error: ValidationError, known: Mapping[str, Iterable[str]]
    ) -> None:
        """Note all that pydantic found wrong with a table; `known` are the keys of all tables."""
        for mistake in error.errors(include_url=False, include_context=False):
            location = mistake["loc"]
            if mistake["type"] == "extra_forbidden":
                inside = key_name(table, location[:-1])
                parent = type_at(model, location[:-1])
                self.add_unknown(str(location[-1]), inside, {**known, inside: _keys(parent)})
            else:
                self.add(key_name(table, location), _sentence(mistake["type"], mistake["msg"], mistake["input"]))


def nearest(key: str, known: Mapping[str, Iterable[str]], *, prefer: str) -> str | None:
    """Return the full name of the most alike key, in the preferred table unless another has a better one, or None."""
    # "" is the file itself: its keys are tables, and no key is ever meant to be one unless it stands there, too.
    near = [
        (SequenceMatcher(None, key, candidate).ratio(), table == prefer, _join(table, candidate))
        for table, keys in known.items()
        if table or not prefer
        for candidate in keys
    ]
    score, _, name = max(near, default=(0.0, False, ""))
    return name if score >= ALIKE else None


def key_name(table: str, location: Location) -> str:
    """Return a key's full name as one writes it: `auth.keys[0].algorithm`."""
    name = table
    for part in location:
        name = f"{name}[{part}]" if isinstance(part, int) else _join(name, part)
    return name


def type_at(model: object, location: Location) -> object:
    """Return the type of what stands at a place inside a model; None where there is nothing."""
    kind = model
    for part in location:
        if isinstance(part, int):
            kind = next(iter(get_args(kind)), None)
        elif get_origin(kind) is Mapping:
            kind = get_args(kind)[1]
        else:
            field = _fields(kind).get(part)
            kind = field.annotation if field else None
    return kind


def _fields(kind: object) -> Mapping[str, FieldInfo]:
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _keys(kind: object) -> list[str]:
    return list(_fields(kind))


def _join(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


def _sentence(kind: str, message: str, value: object) -> str:
    said = PLAIN.get(kind) or re.sub(r"^\w+ should ", "must ", message.removeprefix("Value error, "))
    return f"{said}, not {value!r}" if kind in TELLS_THE_VALUE else said
