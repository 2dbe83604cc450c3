"""The round from inside, at a real relay with a real broker, Redis and journal: each thing is broken once."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiormq
import pytest
from redis.asyncio import Redis

from relayd.journal.lock import Lock
from tests.doctor.patient import Patient, amiss, found
from tests.harness.disk import SmallDisk
from tests.harness.follower import until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.redis import PrivateRedis
from tests.harness.settled import Tables

NOBODY = 1
"""A port at which nobody listens; the same in each process of a run, because it stands in the names of tests."""


async def test_a_healthy_relay_is_well(patient: Patient, rabbitmq: PrivateRabbit, tmp_path: Path) -> None:
    """Nothing is amiss or left out; on the broker and in Redis everything is as before."""

    async def stands() -> list[str]:
        return [
            await rabbitmq.ctl_async(*f"list_{what} -p doctor".split())
            for what in ("queues name", "bindings", "exchanges")
        ]

    before = await stands()
    findings = await patient.inside(tmp_path)
    assert {} == amiss(findings)
    assert {"ok"} == {one.mark.value for one in findings}
    looked_at = " ".join(one.looked_at for one in findings)
    for what in (
        "admin",
        "/readyz",
        "journal",
        "binding",
        "arguments",
        "end of",
        "Redis, rights",
        "clock",
        "open files",
    ):
        assert what in looked_at
    assert re.search(
        "last offset [0-9]+, the journal stands at [0-9]+, ", found(findings, "end of relayd.events").found
    )
    assert before == await stands()


@pytest.mark.parametrize(
    ("changes", "expected", "mend"),
    [
        ({"sources.rabbitmq": {"max_age": "1h"}}, "arguments of relayd.events", "set `max_age`"),
        ({"sources.rabbitmq": {"segment_bytes": 600_000}}, "arguments of relayd.events", "set `segment_bytes`"),
        ({"sources.rabbitmq": {"queue": "elsewhere"}}, "queue elsewhere", "relayd rabbitmq setup"),
        ({"sources.rabbitmq": {"exchange": "elsewhere"}}, "exchange elsewhere", "relayd rabbitmq setup"),
        ({"server": {"max_connections": 1_000_000}}, "open files", "LimitNOFILE"),
        ({"admin": {"port": NOBODY}}, "admin listener", "systemctl status relayd"),
        ({"presence.redis": {"url": f"redis://127.0.0.1:{NOBODY}/0"}}, f"Redis at 127.0.0.1:{NOBODY}", "redis_url"),
        (
            {"auth.jwks": {"url": f"http://127.0.0.1:{NOBODY}/keys"}},
            f"keys of http://127.0.0.1:{NOBODY}/keys",
            "auth.jwks",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_wrong_is_named_and_nothing_else(
    patient: Patient, tmp_path: Path, changes: Mapping[str, Mapping[str, Any]], expected: str, mend: str
) -> None:
    """With its mend; what is well beside it is said to be."""
    findings = await patient.inside(tmp_path, changes)
    assert "bad" == found(findings, expected).mark
    assert mend in found(findings, expected).mend
    # Without the relay's own word some things can't be told.
    told = {expected} | ({"journal's process"} if expected == "admin listener" else set())
    assert told == amiss(findings).keys()


@pytest.mark.parametrize("port", [None, NOBODY])
async def test_a_broker_that_lets_nobody_in_is_named(patient: Patient, tmp_path: Path, port: int | None) -> None:
    """A wrong password, or nobody there: one line, and none about what could not be seen."""
    url = str(patient.relay.rabbitmq)
    where = url.rpartition("@")[2].partition("/")[0]
    other = url.replace("guest:guest", "guest:wrong") if port is None else url.replace(where, f"127.0.0.1:{port}")
    findings = await patient.inside(tmp_path, {"sources.rabbitmq": {"url": other}})
    looked_at = f"RabbitMQ at {where if port is None else f'127.0.0.1:{port}'}"
    assert {looked_at: "bad"} == amiss(findings)
    assert "amqp_url" in found(findings, looked_at).mend


async def test_a_reader_sees_all_but_the_arguments(patient: Patient, rabbitmq: PrivateRabbit, tmp_path: Path) -> None:
    """The rights that a relay needs are enough for a look; what they don't show is said to be not looked at."""
    findings = await patient.inside(tmp_path, {"sources.rabbitmq": {"url": rabbitmq.reader("doctor")}})
    assert {} == amiss(findings)
    assert "skip" == found(findings, "arguments of relayd.events").mark


async def test_a_missing_binding_is_named(patient: Patient, tmp_path: Path) -> None:
    """By the canaries of the relay, which come to no queue any more."""
    async with unbound(str(patient.relay.rabbitmq)):
        await until(lambda: "no queue" in patient.relay.readiness()[1])
        findings = await patient.inside(tmp_path)
    binding = found(findings, "binding swarm.events -> relayd.events")
    assert {binding.looked_at: "bad", "/readyz": "warn"} == amiss(findings)
    assert "relayd rabbitmq setup" in binding.mend
    await until(lambda: not patient.relay.readiness()[1])


@asynccontextmanager
async def unbound(url: str) -> AsyncIterator[None]:
    """Take the binding away, and give it back."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.queue_unbind("relayd.events", "swarm.events", "#")
    try:
        yield
    finally:
        await channel.queue_bind("relayd.events", "swarm.events", "#")
        await connection.close()


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ("~doctor:* &doctor:* +@read +@write +@scripting +@pubsub +@connection +time -zadd", "ZADD"),
        ("~doctor:* &other:* +@read +@write +@scripting +@pubsub +@connection +time", "PUBLISH, SUBSCRIBE"),
        ("~doctor:* &doctor:* +@read +@write +@pubsub +@connection +time", "EVAL"),
    ],
)
async def test_wrong_rights_in_redis_are_named(
    patient: Patient, redis: PrivateRedis, tmp_path: Path, rights: str, words: str
) -> None:
    """Each command that is missing, and where the right ones stand."""
    admin: Any = Redis.from_url(redis.url)
    async with admin:
        await admin.execute_command("ACL", "SETUSER", "patient", "reset", "on", ">secret", *rights.split())
        try:
            url = redis.url.replace("//", "//patient:secret@")
            findings = await patient.inside(tmp_path, {"presence.redis": {"url": url}})
        finally:
            await admin.execute_command("ACL", "DELUSER", "patient")
    assert {"Redis, rights": "bad"} == amiss(findings)
    assert words in found(findings, "Redis, rights").found


async def test_a_redis_that_drops_keys_is_named(patient: Patient, redis: PrivateRedis, tmp_path: Path) -> None:
    """A place that is gone is one that a user has too many."""
    admin: Any = Redis.from_url(redis.url)
    async with admin:
        await admin.config_set("maxmemory-policy", "allkeys-lru")
        findings = await patient.inside(tmp_path)
        await admin.config_set("maxmemory-policy", "noeviction")
    assert {"Redis, maxmemory-policy": "bad"} == amiss(findings)


async def test_a_journal_that_others_use_is_named(patient: Patient, tmp_path: Path) -> None:
    """Ours is free while a relay answers: it is another's. Held while none answers: a relay could not start."""
    other = tmp_path / "other.db"
    changes: Tables = {"journal": {"path": other}}
    assert {"journal's process": "bad"} == amiss(await patient.inside(tmp_path / "a", changes))
    lock = Lock(tmp_path / "other.db.lock")
    findings = await patient.inside(tmp_path / "b", {**changes, "admin": {"port": NOBODY}})
    lock.release()
    assert {"journal's process": "bad", "admin listener": "bad"} == amiss(findings)
    assert "each its own `journal.path`" in found(findings, "journal's process").mend


async def test_a_journal_that_is_none_is_named(patient: Patient, tmp_path: Path) -> None:
    """With the words of a relay that would try to start."""
    (tmp_path / "text.db").write_text("x" * 9_000)
    (tmp_path / "text.db").chmod(0o600)
    path = tmp_path / "text.db"
    findings = await patient.inside(tmp_path, {"journal": {"path": path}})
    assert "bad" == found(findings, f"journal {path}").mark
    assert "another name" in found(findings, f"journal {path}").mend


async def test_a_full_disk_is_named(patient: Patient, tmp_path: Path) -> None:
    """Seen from where the journal is."""
    with SmallDisk(tmp_path, kib=400) as disk:
        disk.fill()
        path = patient.config(tmp_path / "full", {"journal": {"path": disk.path / "relayd.db"}})
        command = [sys.executable, "-m", "relayd", "doctor", "--config", str(path)]
        done = await asyncio.to_thread(
            subprocess.run, disk.inside(command), capture_output=True, text=True, check=False, cwd=Path.cwd()
        )
    assert 1 == done.returncode
    assert "bad   journal's disk: 0 MiB free" in done.stdout
    assert "-> make room" in done.stdout
