import pytest
from msgspec.structs import replace

from relayd.doctor.broker import binding_of, bound_of, broker_of, lag_of, standing_of
from relayd.doctor.running import Running
from relayd.ports import Position
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.survey import Difference, Survey
from relayd.telemetry.scrape import Scrape
from tests.doctor.patient import amiss, found
from tests.harness.process import free_port

SETTINGS = RabbitSettings()
SOUND = Survey(product="RabbitMQ 3.10.8", absent={}, bound={}, differences=(), end=5, trouble="")


def running(*, notes: dict[str, str] | None = None, back: int = 1, ago: float = 1.0) -> Running:
    """Return a relay whose last canary came back some seconds ago."""
    values = {
        "relayd_canary_roundtrip_seconds_count": {"": float(back)},
        "relayd_canary_last_success_timestamp_seconds": {"": 1_000.0 - ago},
    }
    return Running(url="u", alive=True, ready=True, notes=notes or {}, scrape=Scrape(0.0, values, {}))


@pytest.mark.parametrize(
    ("end", "place", "lag", "mark", "words"),
    [
        (None, None, None, "ok", "no journal has a place"),
        (9, 9, 0.0, "ok", "0 behind, 0.0 s"),
        (9, 4, None, "ok", "5 behind; no relay runs"),
        (9, 4, 31.0, "bad", "5 behind, for 31 s"),
        (3, 4, 0.0, "warn", "made anew"),
        (None, 0, 0.0, "warn", "made anew"),
    ],
)
def test_a_lag_is_events_and_seconds(
    end: int | None, place: int | None, lag: float | None, mark: str, words: str
) -> None:
    """Events without seconds say nothing: a relay that does not run is behind, and well."""
    position = None if place is None else Position(0, place, b"")
    finding = lag_of("end", end, position, lag)
    assert mark == finding.mark
    assert words in finding.found


@pytest.mark.parametrize(
    ("relay", "settings", "mark", "words"),
    [
        (running(), SETTINGS, "ok", "a canary came back 1 s ago"),
        (running(ago=46), SETTINGS, "bad", "46 s ago"),
        (running(notes={"source": "a canary came to no queue"}), SETTINGS, "bad", "no queue"),
        (running(back=0), SETTINGS, "skip", "no canary of the relay has come back yet"),
        (Running(url="u", trouble="away"), SETTINGS, "skip", "only a relay that runs"),
        (running(), SETTINGS.model_copy(update={"canary_seconds": 0}), "skip", "sends no canaries"),
    ],
)
def test_a_binding_is_what_canaries_prove(relay: Running, settings: RabbitSettings, mark: str, words: str) -> None:
    """What nobody proved is not said to be well."""
    finding = binding_of(settings, relay, now=1_000.0)
    assert mark == finding.mark
    assert words in finding.found


def test_what_is_absent_is_named_and_no_more_is_said_of_it() -> None:
    """The mend is the part of the sentence behind the last semicolon."""
    findings = list(standing_of(SETTINGS, replace(SOUND, absent={"queue": "there is none; make it"})))
    assert {"queue relayd.events": "bad"} == amiss(findings)
    assert "make it" == found(findings, "queue relayd.events").mend
    assert not any(one.looked_at.startswith("arguments") for one in findings)


def test_each_argument_that_differs_is_a_line() -> None:
    """With the setting, where one mends it."""
    other = (Difference("x-max-age", "max_age", "7D", "1h"), Difference("x-queue-type", None, "stream", "classic"))
    findings = [
        one for one in standing_of(SETTINGS, replace(SOUND, differences=other)) if one.looked_at.startswith("arguments")
    ]
    assert ["x-max-age is 1h, not 7D", "x-queue-type is classic, not stream"] == [one.found for one in findings]
    assert ["set `max_age` under", "choose another name"] == [one.mend[:19] for one in findings]


async def test_a_broker_that_is_away_is_one_line() -> None:
    """Nothing is said of what could not be seen."""
    settings = SETTINGS.at(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    findings = list(await broker_of(settings, Running(url="u"), None))
    assert [f"RabbitMQ at {settings.address}"] == [one.looked_at for one in findings]
    assert "bad" == findings[0].mark


BOUND = RabbitSettings.model_validate({"bindings": [{"exchange": "celeryev"}, {"exchange": "bus"}]})


def test_a_further_exchange_that_is_not_as_it_should_be_is_named() -> None:
    """With the mend."""
    bound = {"celeryev": "", "bus": "there is no exchange bus; make it"}
    findings = list(standing_of(BOUND, replace(SOUND, bound=bound)))
    assert {"exchange bus": "bad"} == amiss(findings)
    assert "make it" == found(findings, "exchange bus").mend
    assert "ok" == found(findings, "exchange celeryev").mark


def test_what_came_over_a_further_exchange_is_told() -> None:
    """Where nothing came nobody says that it is well, for no canary flies there."""
    relay = running()
    assert relay.scrape is not None
    values = {**relay.scrape.values, "relayd_exchange_last_delivery_timestamp_seconds": {"celeryev": 997.0}}
    relay = replace(relay, scrape=Scrape(0.0, values, {}))
    assert [("ok", "something came over it 3 s ago"), ("skip", "nothing has come over it")] == [
        (one.mark, one.found.partition(" since")[0]) for one in bound_of(BOUND, relay, now=1_000.0)
    ]
    assert ["skip", "skip"] == [one.mark for one in bound_of(BOUND, Running(url="u", trouble="away"), now=1_000.0)]
