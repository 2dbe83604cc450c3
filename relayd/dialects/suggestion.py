"""
A rule for an event that nobody understood.

Law 1: what is taken was read by what reads it later, and all else that a message needs is set: so the event that a rule
was suggested for becomes a message by it.
Law 2: every guess that is not certain is a comment above the rule.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from relayd.dialects.guessing import Guess, Leaves, Typed, find, json, path_text, type_of, walk
from relayd.dialects.normalise import ALIASES
from relayd.protocol.messages import MAX_NAME

__all__ = ["NOWHERE", "suggest"]

NOWHERE = "unassigned"
"""The project of a suggested rule where no field looks like one."""

NEEDS: Mapping[str, Mapping[str, Any]] = {
    "project_started": {},
    "project_progress": {"progress": 0, "message": None},
    "agent_status_update": {"agent": "unknown", "status": "working", "progress": 0},
    "workflow_stage_update": {"stage": None, "message": None},
    "workflow_log": {"level": "info", "message": None},
    "project_completed": {},
    "project_error": {"error": None},
}
"""By message: what it can't do without, and what stands there where nothing is found; None: the event's type."""

ALSO: Mapping[str, Sequence[str]] = {
    "project_progress": ("stage",),
    "workflow_stage_update": ("status",),
    "workflow_log": ("agent",),
    "project_completed": ("message",),
    "project_error": ("agent",),
}
"""What else is looked for."""

LIKENESSES: Sequence[tuple[str, Sequence[str]]] = (
    ("project_error", ("error",)),
    ("agent_status_update", ("agent", "status")),
    ("project_progress", ("progress",)),
    ("workflow_stage_update", ("stage",)),
)
"""Which message an event is most like that has these, in this order; what has none of them is a line of log."""

STATUS = "running"
"""What a status means that nobody knows."""


def suggest(event: object, headers: Mapping[str, object], *, hidden: str) -> str:
    """
    Return a rule for `[dialects.rules]` in TOML, empty where there is nothing to go by.

    `hidden` is what stands in the place of a secret: it is never taken.
    """
    if not isinstance(event, Mapping) or not event:
        return ""
    typed = type_of(event, headers)
    leaves = [(path, value) for path, value in walk(event) if value != hidden and path != (typed.field,)]
    kind = kind_of(typed, leaves)
    fields = dict.fromkeys(("project_id", *NEEDS[kind], *ALSO.get(kind, ()), "timestamp", "message_id"))
    guesses = {name: guess for name in fields if (guess := find(name, kind, leaves)) is not None}
    fixed = {name: value for name, value in fixed_of(kind, typed).items() if name not in guesses}
    return rendered(typed, kind, guesses, fixed) if typed.text or guesses else ""


def kind_of(typed: Typed, leaves: Leaves) -> str:
    """Return which message an event is, by its own word, or is most like."""
    if (known := ALIASES.get(word(typed))) is not None:
        return str(known.__struct_config__.tag)
    for kind, names in LIKENESSES:
        if all((guess := find(name, kind, leaves)) is not None and guess.readable for name in names):
            return kind
    return "workflow_log"


def word(typed: Typed) -> str:
    """Return the type as the relay looks it up."""
    return typed.text.strip().lower()


def fixed_of(kind: str, typed: Typed) -> Mapping[str, Any]:
    """Return what is said where nothing is found."""
    fixed = {name: typed.text[:MAX_NAME] or "event" if value is None else value for name, value in NEEDS[kind].items()}
    # A guess must not end a project.
    errs = {"fatal": False} if kind == "project_error" and word(typed) not in ALIASES else {}
    return {"project_id": NOWHERE, **fixed, **errs}


def meaning(kind: str, name: str) -> str:
    """Return what a level or status means that nobody knows."""
    return str(NEEDS[kind].get(name, STATUS))


def rendered(typed: Typed, kind: str, guesses: Mapping[str, Guess], fixed: Mapping[str, Any]) -> str:
    """Return the rule in TOML, what is not certain above it; all texts are printable, and JSON's are TOML's then."""
    lines = [f"# {name} is a guess: `{guess.path}`" for name, guess in guesses.items() if not guess.certain]
    if "project_id" in fixed:
        lines.append("# project_id: no field looks like one; take the right one, or all of it is one project")
    if word(typed) not in ALIASES:
        lines.append(f"# type is a guess: it is most like {kind}")
    unread = {name: guess for name, guess in guesses.items() if not guess.readable}
    if not typed.text:
        lines.append("# nothing says what it is: it is recognised by having these fields")
    elif word(typed) in ALIASES and not unread:
        lines.append("# it reads all events of this type, those that are understood already, too")
    lines += ["[[dialects.rules.rule]]", f"name = {json(typed.text or 'event')}", recognition(typed, guesses)]
    lines += [f"type = {json(kind)}", f"take = {table({name: json(guess.path) for name, guess in guesses.items()})}"]
    if fixed:
        lines.append(f"set = {table({name: json(value) for name, value in fixed.items()})}")
    if unread:
        lines.append(f"words = {table({name: explained(kind, name, guess) for name, guess in unread.items()})}")
    return "".join(f"{line}\n" for line in lines)


def explained(kind: str, name: str, guess: Guess) -> str:
    """Return what the words of a field mean: the one that was there, and any other."""
    means = json(meaning(kind, name))
    return table({json(str(guess.value)): means, json("*"): means})


def recognition(typed: Typed, guesses: Mapping[str, Guess]) -> str:
    """Return the line by which a rule knows its events."""
    if typed.header:
        return f"headers = {table({json(typed.header): json(typed.text)})}"
    if not typed.field:
        return f"fields = {table({json(guess.path): json('*') for guess in guesses.values()})}"
    fields = {json(path_text((typed.field,))): json(typed.text)}
    if word(typed) in ALIASES:
        # Others of this type are understood: what can't be read in this one tells it apart.
        fields |= {json(guess.path): json(str(guess.value)) for guess in guesses.values() if not guess.readable}
    return f"fields = {table(fields)}"


def table(members: Mapping[str, str]) -> str:
    """Return an inline table."""
    return f"{{ {', '.join(f'{name} = {value}' for name, value in members.items())} }}"
