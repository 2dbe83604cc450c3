"""
Events of AG-UI: a thread is a project, its runs come in it one behind another.

Law 1: an event is one place, whatever is in it; its own messages have the same places in it, whatever was gathered
before, which stands in front of them.
Law 2: all that is remembered is bounded, and a relay that has forgotten it tells other words, not other events.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from relayd.dialects.agui.gathering import Piece, Run
from relayd.dialects.agui.projects import Projects
from relayd.dialects.agui.reading import agent_of, read_event
from relayd.dialects.agui.state import Pointer
from relayd.dialects.agui.table import ROWS, SILENT, Known, Row
from relayd.dialects.bodies import MAX_EVENTS, cut
from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.normalise import Misunderstood, normalise
from relayd.dialects.settings import AguiSettings
from relayd.dialects.values import read_timestamp, shown
from relayd.protocol.messages import Message

__all__ = ["NEAR", "OWN", "RUNS", "AguiDialect"]

RUNS = 1_000
"""So many projects' runs are remembered, the longest unused forgotten first; each takes 130 KB at most, mostly 1."""

SEEN = 10_000
"""So many bodies are known again: a piece that comes twice must not be added twice."""

OWN = 256
"""The part at which an event's own messages begin; no event brings so many gathered lines to an end."""

NEAR = 16 * 1024
"""How far into a body a type is looked for: every body of another dialect's is looked at, too."""

TYPES = ROWS.keys() | SILENT
MARK = re.compile(rb'"type"\s*:\s*"(?:' + "|".join(sorted(TYPES)).encode() + rb')"')

Fields = dict[str, Any]


class Body(Struct):
    """What is common to the events of one body."""

    delivery: Delivery
    project: str | None = None
    """That of the run which began last in it."""


class AguiDialect:
    """One event, an array of them, or one a line."""

    Settings = AguiSettings
    name = "agui"

    def __init__(self, settings: AguiSettings, *, runs: int = RUNS, seen: int = SEEN) -> None:
        """Remember so many runs and bodies."""
        self._settings = settings
        self._progress = Pointer(settings.progress, full=settings.progress_full)
        self._projects = Projects(by_user=settings.one_run_per_user)
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._most, self._most_seen = runs, seen

    def claims(self, delivery: Delivery) -> bool:
        """Return whether the first event is of a type of AG-UI's, which are in upper case and nobody else's."""
        if MARK.search(delivery.body, 0, NEAR) is None:
            return False
        pieces = cut(delivery.body.strip())
        try:
            return pieces is not None and bool(pieces.raws) and read_event(pieces.raws[0]).get("type") in TYPES
        except (Misunderstood, TypeError):
            return False

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item for each event."""
        pieces = cut(delivery.body.strip())
        if pieces is None or len(pieces.raws) > MAX_EVENTS:
            detail = f"an array of events that can't be told apart, or of more than {MAX_EVENTS}"
            return [Item(reason=Reason.NOT_JSON, detail=detail, raw=delivery.body)]
        body, name = Body(delivery), delivery.message_id
        return [
            self._read(raw, body, name if not name or not pieces.many else f"{name}/{index}")
            for index, raw in enumerate(pieces.raws)
        ]

    def _read(self, raw: bytes, body: Body, name: str | None) -> Item:
        try:
            event = read_event(raw)
            kind = event.get("type")
            # Before anything else: it must not even be kept as an event that could not be understood.
            if isinstance(kind, str) and kind in SILENT:
                return Item(message_id=name)
            row = ROWS.get(kind) if isinstance(kind, str) else None
            if row is None:
                detail = f"type: {shown(kind)} is no event of AG-UI 1.0; map it by a rule"
                raise Misunderstood(Reason.UNKNOWN_TYPE, detail)
            return self._follow(event, row, body, name)
        except Misunderstood as error:
            return Item(reason=error.reason, detail=error.detail, raw=raw, message_id=name)

    def _follow(self, event: Mapping[str, Any], row: Row, body: Body, name: str | None) -> Item:
        """Return what an event says, behind what it brings to an end; raises Misunderstood."""
        delivery = body.delivery
        project = self._projects.of(event, delivery, body.project)
        run = self._runs.get(project) or Run()
        known = Known(
            event=event,
            agent=agent_of(event),
            run=run,
            progress=self._progress,
            tool_texts=self._settings.tool_texts,
        )
        common = {"project_id": project, "timestamp": event.get("timestamp")}
        piece = self._piece(known, row, delivery)
        own = [said(common | fields, delivery) for fields in row.say(known)]
        if event["type"] == "RUN_STARTED":
            body.project = project
            self._projects.begin(project, delivery)
        lines = [] if self._again(name) else gathered(known, row, piece, speaks=bool(own))
        self._keep(project, run, ends=row.ends_run)
        ended = [said({"project_id": project} | line, delivery) for line in lines]
        return Item(messages=[*ended, *own], first=OWN - len(ended), remembers=True, message_id=name)

    def _piece(self, known: Known, row: Row, delivery: Delivery) -> Piece | None:
        """Return which text an event is a piece of, None if of none that is told."""
        if row.piece is None:
            return None
        fields = row.piece(known.event)
        if fields["kind"] == "reasoning" and not self._settings.reasoning:
            return None
        if fields["kind"] == "tool" and not self._settings.tool_texts:
            fields["delta"] = ""
        moment = read_timestamp(known.event.get("timestamp"))
        return Piece(**fields, agent=known.agent, timestamp=delivery.received_at if moment is None else moment)

    def _again(self, name: str | None) -> bool:
        """Return whether an event has been here before, and take note of it."""
        if name is None:
            return False
        if name in self._seen:
            return True
        self._seen[name] = None
        if len(self._seen) > self._most_seen:
            self._seen.popitem(last=False)
        return False

    def _keep(self, project: str, run: Run, *, ends: bool) -> None:
        """Remember a run that goes on, within the bound."""
        if ends:
            self._runs.pop(project, None)
            return
        self._runs[project] = run
        self._runs.move_to_end(project)
        if len(self._runs) > self._most:
            self._runs.popitem(last=False)


def gathered(known: Known, row: Row, piece: Piece | None, *, speaks: bool) -> Iterable[Fields]:
    """Return the lines that an event brings to an end."""
    if row.ends_run:
        return known.run.end()
    if piece is not None:
        return known.run.follow(piece)
    return known.run.turn(known.agent) if speaks else []


def said(fields: Fields, delivery: Delivery) -> Message:
    """Return a message; raises Misunderstood."""
    message = normalise(fields, delivery.received_at)
    message.dialect = AguiDialect.name
    return message
