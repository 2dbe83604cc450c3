"""
Faults, each injected for real, and what has to be true behind it.

`make faults` runs all of them; `make test` those that take seconds.  What is random comes from a seed, which is
printed; `make faults FAULTS="--seed 42"` runs that course again, `--minutes` and `--kills` say how long a long one is.

| file | what breaks |
|---|---|
| `test_course` | everything, in random order and at once, under load (`scene`, `strikes`, `course`) |
| `test_broker` | RabbitMQ restarts, is killed, closes a channel, refuses a declaration |
| `test_no_broker_yet` | there is none when the relay starts |
| `test_workers` | the broker is killed under what `relayd.worker` publishes |
| `test_silence` | nothing comes: half-open connections, a consumer forgotten, alarms, a binding that is gone |
| `test_log` | the stream is deleted and made anew; retention passes a relay that was away |
| `test_what_comes_in` | poison, enormous messages, repeats, producers out of order |
| `test_names`, `test_jwks`, `test_redis` | the name service, the issuer of keys, Redis |
| `test_cluster` | nodes of a cluster of three |
| `test_replicas`, `test_rolling_restart` | one of several relays, and the proxy before them |
| `test_ends_under_load`, `test_pauses`, `test_clocks` | the relay is ended, killed, frozen; the clock is set |
| `test_journal` | the journal's disk is full or hangs, its file is damaged or somebody else's |
| `test_descriptors`, `test_memory`, `test_churn` | too many files, too little memory, viewers by the thousand |
| `test_half_open_viewers`, `test_tokens_and_keys` | viewers that vanish; tokens that expire, keys that change |

Beside these: a broker that is not there yet (`tests/broker/test_the_broker_goes_away`), poison that is published again
(`tests/broker/test_rejected`), resets at any moment (`tests/rabbitmq/test_consume`).
"""

import time
from collections.abc import Iterator

import pytest

from tests.harness.rabbitmq import PrivateRabbit

MINUTES, KILLS = 10.0, 100


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what `make faults` passes on; in other runs nobody asks for it."""
    group = parser.getgroup("faults")
    group.addoption("--seed", type=int, help="the seed of random courses; the clock's by default")
    group.addoption("--minutes", type=float, help=f"how long a long course takes; {MINUTES:g} by default")
    group.addoption("--kills", type=int, help=f"how often a relay is killed; {KILLS} by default")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Tell the seed, the one that was asked for or the clock's, when the test fails."""
    given = request.config.getoption("--seed", default=None)
    seed = time.time_ns() % 1_000_000 if given is None else int(given)
    print(f"seed {seed}")  # noqa: T201  # pytest shows it then
    return seed


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    """Give the length of a long course."""
    return float(request.config.getoption("--minutes", default=None) or MINUTES)


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Give how often a relay is killed."""
    return int(request.config.getoption("--kills", default=None) or KILLS)


@pytest.fixture
def own_rabbitmq() -> Iterator[PrivateRabbit]:
    """Give a broker of this test's own: what is done to it harms nobody else's streams."""
    with PrivateRabbit() as broker:
        yield broker
