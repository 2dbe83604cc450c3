"""What the documents show works: the examples, run as they are, in front of a real relay."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.harness.daemon import PrivateRelay
from tests.harness.process import Process
from tests.harness.settled import Tables
from tests.harness.viewer import Viewer, watch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

TABLES: Tables = {
    "sources.rabbitmq": {"bindings": [{"exchange": "celeryev", "dialect": "celery"}], "canary_seconds": 0},
}


@pytest.fixture(scope="module")
def relay(amqp_url: str) -> Iterator[PrivateRelay]:
    """Give a relay that reads Celery's events, too."""
    with PrivateRelay(TABLES, rabbitmq=amqp_url) as relay:
        yield relay


@pytest.fixture(scope="module")
def worker(relay: PrivateRelay, amqp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Give a real worker of the example, as its first lines say how to start one, with one process."""
    argv = [sys.executable, "-m", "celery", "-A", "celery_shop", "worker", "-E", "--pool", "solo"]
    argv += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    env = {**os.environ, "AMQP_URL": amqp_url, "PYTHONPATH": str(EXAMPLES), "PYTHONDONTWRITEBYTECODE": "1"}
    with Process(argv, folder=tmp_path_factory.mktemp("celery"), name="celery", env=env) as worker:
        worker.wait_for_output("ready.", 60)
        yield worker


@pytest.fixture
def client(amqp_url: str) -> Iterator[Celery]:
    """Give a Celery that sends tasks, and says that it does."""
    app = Celery("client", broker=amqp_url)
    app.conf.task_send_sent_event = True
    yield app
    app.close()


async def until_the_end(viewer: Viewer, *, stage: str) -> list[dict[str, Any]]:
    """Return the messages up to a project's end whose last stage says this, without what the relay says of itself."""
    heard: list[dict[str, Any]] = []
    while True:
        try:
            message = await viewer.message()
        except TimeoutError:
            raise AssertionError(f"no end came behind {short(heard, 'status', 'message', 'error')}") from None
        if "id" in message:
            heard.append(message)
        if message["type"] in {"project_completed", "project_error"}:
            stages = [one["message"] for one in heard if "stage" in one]
            if stages[-1:] == [stage]:
                return heard


def short(messages: Sequence[dict[str, Any]], *names: str) -> list[tuple[str, ...]]:
    """Return kinds and what these fields say."""
    return [(message["type"], *[str(message[name]) for name in names if name in message]) for message in messages]


async def test_the_plain_script(relay: PrivateRelay, amqp_url: str, tmp_path: Path) -> None:
    """Its project begins, works and ends before a viewer's eyes."""
    env = {**os.environ, "AMQP_URL": amqp_url}
    async with watch(relay, "shop-1") as viewer:
        argv = [sys.executable, str(EXAMPLES / "plain.py"), "shop-1"]
        with Process(argv, folder=tmp_path, name="plain", env=env) as script:
            heard = await until_the_end(viewer, stage="completed")
            assert script.child is not None
            assert 0 == await asyncio.to_thread(script.child.wait)
    assert [
        ("project_started",),
        ("agent_status_update", "working"),
        ("agent_status_update", "working"),
        ("workflow_log", "uses pytest"),
        ("workflow_stage_update", "running", "running"),
        ("workflow_stage_update", "completed", "completed"),
        ("agent_status_update", "completed"),
        ("project_progress", "Deploying…"),
        ("project_completed",),
    ] == [one[:3] if one[0] != "project_completed" else one[:1] for one in short(heard, "status", "message")]


@pytest.mark.parametrize(
    ("parts", "ends"),
    [
        (
            ["cart", "search"],
            [("workflow_stage_update", "completed", "2 of 2 done"), ("project_completed",)],
        ),
        (
            ["payment", "search"],
            [
                ("workflow_stage_update", "failed", "1 of 2 done, 1 failed"),
                ("project_error",),
            ],
        ),
    ],
    ids=["well", "with a failure"],
)
async def test_a_shop_that_celery_builds(
    relay: PrivateRelay, worker: Process, client: Celery, parts: list[str], ends: list[tuple[str, ...]]
) -> None:
    """A root task is a project, its group a stage, another try a warning, and the last of all is the end."""
    project_id = f"build-{parts[0]}"
    async with watch(relay, project_id) as viewer:
        await asyncio.to_thread(client.send_task, "celery_shop.build", [parts], task_id=project_id)
        heard = await until_the_end(viewer, stage=ends[0][2])
    told = short(heard, "status", "message")
    # Who sends a task and who has it speak over connections of their own: which comes first is the broker's affair.
    assert {"project_started", "project_progress"} < {kind for kind, *_ in told}
    assert ("workflow_log", "celery_shop.check is tried again: ConnectionError('the model is busy')") in told
    assert ends == [told[-2], told[-1][:1]]
    assert {"celery_shop.check"} == {message["stage"] for message in heard if "stage" in message}
    assert {project_id} == {message["project_id"] for message in heard}
    if "payment" in parts:
        assert (
            "1 of 2 tasks below celery_shop.build failed: celery_shop.check: ValueError('no such part')"
            == heard[-1]["error"]
        )


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.py"))])
def test_the_documents_show_what_was_run(name: str) -> None:
    """Word for word."""
    assert f"```python\n{(EXAMPLES / name).read_text()}```\n" in (ROOT / "docs" / "publish.md").read_text()
