"""
Anything at all, thrown at everything that reads: an answer or a named mistake, and never a fault of ours.

Each hunt prints how many inputs it tried and how long it took (`pytest -s`).  In `make test` they are short, with
`-m long` they are not.
"""

import http.client
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relayd.config import ConfigError, load
from relayd.config.loading import PLUGIN_TABLES, TABLES
from relayd.dialects.agui.dialect import AguiDialect
from relayd.dialects.celery import CeleryDialect
from relayd.dialects.cloudevents import CloudEventsDialect
from relayd.dialects.delivery import Delivery
from relayd.dialects.detect import Detector
from relayd.dialects.native import NativeDialect
from relayd.dialects.rules import RulesDialect
from relayd.dialects.settings import AguiSettings, Rule, RulesSettings
from relayd.plugins import settings_of
from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PREFIX
from tests.dialects.poison import GOOD
from tests.harness.daemon import PrivateRelay
from tests.harness.raw import UPGRADE, masked
from tests.harness.settled import rendered
from tests.harness.strangers import stranger
from tests.harness.viewer import log

LONG = 50
"""So many times as many inputs."""

HUNT = pytest.mark.parametrize(
    "times", [pytest.param(1, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.long)]
)

T = TypeVar("T")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


def hunt(inputs: int, strategy: st.SearchStrategy[T], look: Callable[[T], None]) -> None:
    """Look at so many inputs, and print how many and how long it took."""
    tried, began = 0, time.monotonic()

    # No deadline: on a busy machine a slow input is no finding.
    @settings(max_examples=inputs, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def counted(one: T) -> None:
        nonlocal tried
        tried += 1
        look(one)

    counted()
    print(f"{tried} inputs in {time.monotonic() - began:.1f} s")  # noqa: T201  # see above


def spoilt(*good: bytes) -> st.SearchStrategy[bytes]:
    """Return good bytes with some of them missing, doubled, or others."""
    change = st.tuples(st.integers(0, 10_000), st.integers(0, 8), st.binary(max_size=8))

    def applied(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for at, gone, other in changes:
            place = at % (len(body) + 1)
            body = body[:place] + other + body[place + gone :]
        return body

    return st.builds(applied, st.sampled_from(good), st.lists(change, max_size=4))


def odd_objects(**names: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    """Return objects with the right names, some of them left out, and values that are right or anything."""
    return st.fixed_dictionaries({}, optional={name: right | JSON for name, right in names.items()}).map(
        lambda value: json.dumps(value).encode()
    )


# -- frames -------------------------------------------------------------------------------------------------------

COMMANDS = odd_objects(
    type=st.sampled_from(["ping", "pong", "subscribe", "unsubscribe", "filter", "refresh", "view", "batch"]),
    project_id=st.sampled_from(["fuzz", "other", "..", ""]),
    after=st.sampled_from(["0", "A" * 32, ""]),
    filter=odd_objects(types=st.just(["workflow_log"]), level=st.just("error"), q=st.text(max_size=70)).map(json.loads),
    token=st.text(max_size=9),
    state=JSON,
)
TEXTS = COMMANDS | st.text(max_size=50).map(lambda text: text.encode(errors="surrogatepass")) | st.just(b"ping")
FRAMES = st.builds(
    lambda first, payload, size: masked(first, payload, size=size),
    st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8A, 0x82, 0xC1]) | st.integers(0, 255),
    TEXTS | st.binary(max_size=130),
    st.none() | st.integers(0, 2**63),
)
SOCKET_BYTES = st.lists(FRAMES, max_size=8).map(b"".join) | st.binary(max_size=300)
CODES = {ending.code for ending in Disconnect} - {Disconnect.SERVER_ERROR.code}
USERS = itertools.count()

UNREADABLE = b"\x83" * 70_000
"""Completes whatever frame was begun, and is none: the end comes in any case."""


def frames_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the frames of a server; raises IndexError within one, AssertionError for anything else."""
    while data:
        first, size, data = data[0], data[1], data[2:]
        assert first & 0x80 and first & 0x0F in {1, 8, 9, 10}, first  # noqa: PT018  # one condition of one byte
        if size >= 126:
            width = 2 if size == 126 else 8
            size, data = int.from_bytes(data[:width]), data[width:]
        if len(data) < size:
            raise IndexError("the rest of a frame is to come")
        yield first & 0x0F, data[:size]
        data = data[size:]


def answered(relay: PrivateRelay, path: str, data: bytes) -> list[tuple[int, bytes]]:
    """Return all frames up to the last that a viewer gets who says these bytes and then what can't be read."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=30) as viewer:
        viewer.sendall(UPGRADE.format(f"{path}?batch=1&token={relay.token(f'fuzz-{next(USERS)}')}").encode())
        came = b""
        # Whoever says goodbye in the middle is hung up on.
        with suppress(ConnectionError):
            viewer.sendall(data + UNREADABLE)
        with suppress(ConnectionError):
            while (more := viewer.recv(65_536)) and not ended(came := came + more):
                pass
    return list(frames_in(came.partition(b"\r\n\r\n")[2]))


def ended(came: bytes) -> bool:
    """Tell whether the last frame is there."""
    try:
        return any(opcode == 8 for opcode, _ in frames_in(came.partition(b"\r\n\r\n")[2]))
    except IndexError:
        return False


@HUNT
@pytest.mark.parametrize("path", ["/ws/admin/agent-swarm/fuzz", "/ws/admin/agent-swarm"], ids=["one", "many"])
def test_frames(daemon: PrivateRelay, path: str, times: int) -> None:
    """Commands, frames and bytes of any kind: what comes back are frames, and an end that the table knows."""
    unharmed = whole(daemon)

    def look(data: bytes) -> None:
        *_, (opcode, payload) = answered(daemon, path, data)
        assert 8 == opcode
        assert int.from_bytes(payload[:2]) in CODES
        payload[2:].decode()

    hunt(200 * times, SOCKET_BYTES, look)
    assert unharmed == whole(daemon)


def whole(relay: PrivateRelay) -> tuple[int, float, int]:
    """Return what must not change: the process, its faults, that it is alive."""
    return relay.process.pid, relay.metric("relayd_failures_total"), relay.probe("/livez")


# -- events -------------------------------------------------------------------------------------------------------

EVENTS = odd_objects(
    type=st.sampled_from(["workflow_log", "project_progress", "agent_status_update", "task-started", "notice"]),
    project_id=st.just("fuzz"),
    timestamp=st.floats(0, 2e9),
    level=st.just("info"),
    message=st.text(max_size=20),
    progress=st.integers(0, 100),
    agent=st.text(max_size=5),
    status=st.just("working"),
    fields=JSON,
    uuid=st.just("a"),
    root_id=st.just("a"),
    specversion=st.just("1.0"),
    id=st.just("1"),
    source=st.just("/s"),
    subject=st.just("fuzz"),
    data=JSON,
)
CELERY = b'{"type":"task-started","uuid":"a","root_id":"a","timestamp":1,"hostname":"h","clock":1}'
CLOUD = (
    b'{"specversion":"1.0","type":"swarm.workflow_log","id":"1","source":"/s","subject":"fuzz","data":{"level":"info"}}'
)
AGUI = (
    b'[{"type":"RUN_STARTED","threadId":"fuzz","runId":"r"},{"type":"TEXT_MESSAGE_CHUNK","delta":"x"},'
    b'{"type":"TOOL_CALL_START","toolCallId":"c","toolCallName":"t"},{"type":"RUN_FINISHED","usage":[{"inputTokens":1}]}]'
)
BODIES = (
    EVENTS
    | st.lists(EVENTS, max_size=4).map(lambda events: b"[" + b",".join(events) + b"]")
    | st.lists(EVENTS, max_size=4).map(b"\n".join)
    | spoilt(GOOD, b"[" + GOOD + b"," + GOOD + b"]", GOOD + b"\n" + GOOD, CELERY, CLOUD, AGUI)
    | st.binary(max_size=200)
)
HEADERS = st.dictionaries(
    st.sampled_from(["ce-type", "ce-id", "ce-source", "ce-specversion", "ce-subject", "cloudEvents:type", "hostname"]),
    JSON,
    max_size=4,
)
RULE = Rule(name="any", type="workflow_log", take={"message": "data.x || message", "project_id": "project_id"})


@HUNT
def test_events(times: int) -> None:
    """Bodies for all dialects at once: each raw event is one item, with messages or with a reason and its bytes."""
    rules = RulesDialect(RulesSettings(rule=(RULE,)))
    detector = Detector([CloudEventsDialect(), CeleryDialect(), rules, AguiDialect(AguiSettings()), NativeDialect()])

    def look(one: tuple[bytes, dict[str, Any], str | None]) -> None:
        body, headers, kind = one
        delivery = Delivery(offset=1, body=body, received_at=1.0, headers=headers, content_type=kind, exchange="x")
        for item in detector.feed(delivery):
            assert not item.messages or item.reason is None
            assert bool(item.detail) == (item.reason is not None)
            assert all(json.loads(codec.encode(message)) for message in item.messages)

    kinds = st.sampled_from([None, "application/json", "application/cloudevents+json", "text/plain", "x" * 300])
    hunt(300 * times, st.tuples(BODIES, HEADERS, kinds), look)


@HUNT
def test_ingest(daemon: PrivateRelay, times: int) -> None:
    """The same bodies over HTTP, with any id: taken, or refused with a sentence, and the next is taken."""
    unharmed = whole(daemon)
    bearer = {"Authorization": f"Bearer {daemon.token('worker', worker=True)}"}

    def look(one: tuple[bytes, str]) -> None:
        body, message_id = one
        headers = {**bearer, "Message-Id": quote(message_id, safe="")[:300] or "0", "Content-Type": "application/json"}
        status, told = asked(daemon, "POST", "/v1/internal/events", body, headers)
        assert status in {200, 400, 413, 422}, told
        assert status == 200 or json.loads(told)["detail"]

    hunt(200 * times, st.tuples(BODIES, st.text(max_size=40)), look)
    assert unharmed == whole(daemon)
    assert 0 == daemon.metric('relayd_messages_rejected_total{reason="mapping_failed"}')


def asked(relay: PrivateRelay, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Return status and body of an answer; of a stream only that it began."""
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=30)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        stream = (answer.getheader("Content-Type") or "").startswith("text/event-stream")
        return answer.status, b"" if stream else answer.read()
    finally:
        connection.close()


# -- cursors and queries ------------------------------------------------------------------------------------------

NAMES = ("after", "before", "tail", "wait", "limit", "skip", "status", "types", "level", "agent", "q", "pace", "batch",
         "collapse", "session", "token", "ticket", "made-up", "")  # fmt: skip
VALUES = st.sampled_from(["0", "1", "-1", "nan", "inf", "1e5", "9" * 5_000, "true", "error", "a,b", "٣"]) | st.text(
    max_size=80
)
LOOKS = ("/events", "/logs", "/stream", "", "/status", "/agents", "/viewers")


def escaped(text: str) -> str:
    """Return a text as it may stand in an address, whatever is in it."""
    return quote(text.encode(errors="surrogatepass"), safe="")


@HUNT
@pytest.mark.timeout(1_800)
def test_queries(daemon: PrivateRelay, times: int) -> None:
    """Any parameter with any value, on every path: an answer, or a sentence that says what is wrong."""
    unharmed = whole(daemon)

    def look(one: tuple[str, list[tuple[str, str]], str | None]) -> None:
        path, query, project_id = one
        name = "fuzz" if project_id is None else escaped(project_id)
        written = "&".join(f"{escaped(key)}={escaped(value)}" for key, value in [*query, ("wait", "0")])
        # Somebody else each time, for a poll with a `session` keeps its place for a while.
        headers = {"Authorization": f"Bearer {daemon.token(f'query-{next(USERS)}')}", **stranger()}
        status, told = asked(daemon, "GET", f"{PREFIX}/projects/{name}{path}?{written}"[:8_000], b"", headers)
        assert status in {200, 400, 401, 404}, (status, told)
        assert status == 200 or json.loads(told)["detail"]

    pairs = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4)
    hunt(300 * times, st.tuples(st.sampled_from(LOOKS), pairs, st.none() | st.text(min_size=1, max_size=20)), look)
    assert unharmed == whole(daemon)


@HUNT
async def test_cursors(daemon: PrivateRelay, times: int) -> None:
    """A real cursor with a fault: whole, a gap or a mistake, and never an event of somebody else's."""
    await daemon.publish([log("cursors", "mine"), log("not-mine", "a secret"), log("cursors", "mine again")])
    bearer = {"Authorization": f"Bearer {daemon.token(projects=['cursors'])}"}
    path = f"{PREFIX}/projects/cursors/events?wait=0&after="
    _, told = asked(daemon, "GET", f"{path}0", b"", bearer)
    real = [message["id"].encode() for message in json.loads(told)["messages"]]
    assert 2 == len(real)
    letters = st.sampled_from("ABCXYZabcxyz0189-_")

    def look(cursor: str) -> None:
        status, told = asked(daemon, "GET", path + escaped(cursor), b"", {**bearer, **stranger()})
        assert status in {200, 400}, (status, told)
        assert b"secret" not in told
        if status == 200:
            body = json.loads(told)
            assert body["recovered"] or "gap" == body["replay"]
            assert {"cursors"} >= {message["project_id"] for message in body["messages"]}

    one_letter = st.tuples(st.sampled_from(real), st.integers(0, 31), letters).map(
        lambda some: some[0].decode()[: some[1]] + some[2] + some[0].decode()[some[1] + 1 :]
    )
    hunt(200 * times, one_letter | spoilt(*real).map(lambda raw: raw.decode("latin-1")) | st.text(max_size=40), look)


# -- configuration ------------------------------------------------------------------------------------------------

KEYS = sorted({name for model in TABLES.values() for name in model.model_fields})
SETTINGS = st.integers() | st.booleans() | st.text(max_size=10) | st.floats(allow_nan=False, allow_infinity=False)
ANY = SETTINGS | st.lists(SETTINGS, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "x"]), SETTINGS, max_size=3)
TREES = st.dictionaries(
    st.sampled_from([*TABLES, *PLUGIN_TABLES, "sources.rabbitmq", "dialects.rules", "presence.redis", "made-up"]),
    st.dictionaries(st.sampled_from([*KEYS, "url", "rule", "made-up"]), ANY, max_size=4),
    max_size=4,
)
SHIPPED = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "config").glob("*.toml"))]
OUTSIDE = st.dictionaries(
    st.sampled_from([f"RELAYD_{table}__{key}".upper() for table, key in itertools.product([*TABLES, "x"], KEYS[::7])]),
    st.text(max_size=20),
    max_size=2,
)


@HUNT
def test_configuration(tmp_path: Path, times: int) -> None:
    """Any file and environment: settings, or sentences that each begin with where the mistake is."""
    file = tmp_path / "relayd.toml"

    def look(one: tuple[bytes, dict[str, str]]) -> None:
        text, environ = one
        file.write_bytes(text)
        file.chmod(0o600)
        problems = mistakes(file, environ)
        assert all(": " in problem and "\n" not in problem for problem in problems), problems

    texts = (
        TREES.map(lambda tree: rendered(tree).encode(errors="surrogatepass"))
        | spoilt(*SHIPPED)
        | st.binary(max_size=90)
    )
    hunt(300 * times, st.tuples(texts, OUTSIDE), look)


def mistakes(file: Path, environ: dict[str, str]) -> list[str]:
    """Return what is wrong with a configuration, nothing for one that can be used."""
    try:
        load(file, environ, settings_of)
    except ConfigError as error:
        return error.problems or ["no sentence"]
    return []
