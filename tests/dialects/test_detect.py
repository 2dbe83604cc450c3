"""Which dialect a body is in."""

import pytest

from relayd.dialects.celery import CeleryDialect
from relayd.dialects.delivery import CANARY_HEADER, Claimant, Delivery, Item, JsonValue, Reason
from relayd.dialects.detect import DIALECT_HEADER, EXCHANGE_HEADER, MAX_BODY_BYTES, Detector


class Parrot:
    """Says its own name, in an item that can be told from others."""

    def __init__(self, name: str) -> None:
        self.name = name

    def feed(self, delivery: Delivery) -> list[Item]:
        return [Item(detail=self.name, raw=delivery.body)]


class Claiming(Parrot):
    """Knows its own bodies by their first letter."""

    def claims(self, delivery: Delivery) -> bool:
        return delivery.body.startswith(self.name[0].encode())


def said(detector: Detector, body: bytes = b"x", *, header: str | None = None) -> str:
    """Return who read a delivery."""
    headers = {} if header is None else {DIALECT_HEADER: header}
    (item,) = detector.feed(Delivery(offset=1, body=body, received_at=1.0, headers=headers))
    return item.detail


def test_a_claimant_has_one_verb_more() -> None:
    """Who can't claim is found by its name or as the default only."""
    assert isinstance(Claiming("celery"), Claimant)
    assert not isinstance(Parrot("native"), Claimant)


def test_the_header_beats_every_guess() -> None:
    """A producer knows best what it speaks."""
    detector = Detector([Claiming("celery"), Parrot("native")])
    assert "native" == said(detector, b"celery's body", header="native")
    assert "celery" == said(detector, header="celery")


def test_the_first_to_claim_gets_it() -> None:
    """Order is the operator's, in the configuration."""
    detector = Detector([Parrot("native"), Claiming("agui"), Claiming("amqp"), Claiming("celery")])
    assert "agui" == said(detector, b"a body")
    assert "celery" == said(detector, b"c")


def test_what_nobody_claims_is_native() -> None:
    """Or, where native is not in use, the first dialect's."""
    assert "native" == said(Detector([Claiming("celery"), Parrot("native")]))
    assert "celery" == said(Detector([Claiming("celery"), Claiming("agui")]))


@pytest.mark.parametrize("named", ["klingon", 5, True, "x" * 1_000])
def test_a_dialect_that_is_not_in_use_is_one_item(named: JsonValue) -> None:
    """It says what there is, and keeps the body for the day when it is in use."""
    detector = Detector([Parrot("native"), Parrot("celery")])
    delivery = Delivery(offset=1, body=b"nuqneH", received_at=1.0, message_id="m", headers={DIALECT_HEADER: named})
    (item,) = detector.feed(delivery)
    assert (Reason.UNKNOWN_DIALECT, b"nuqneH", "m") == (item.reason, item.raw, item.message_id)
    assert item.detail.endswith(f"{str(named)[:60]!r} is not in use here; there is native, celery")


def test_a_body_that_is_too_large_is_never_parsed() -> None:
    """Whoever keeps what was rejected decides how much of it, and can tell that it is not the whole."""
    detector = Detector([Parrot("native")])
    assert "native" == said(detector, b"x" * MAX_BODY_BYTES)
    large = Delivery(offset=1, body=b"x" * (MAX_BODY_BYTES + 1), received_at=1.0)
    (item,) = detector.feed(large)
    assert Reason.BODY_TOO_LARGE is item.reason
    assert large.body is item.raw
    assert "a body of 33554433 bytes; 33554432 are the most, send several" == item.detail


class Refusing(Parrot):
    """Understands the first of two."""

    def feed(self, delivery: Delivery) -> list[Item]:
        return [*super().feed(delivery), Item(reason=Reason.UNKNOWN_TYPE, raw=delivery.body)]


def test_what_was_rejected_names_who_rejected_it() -> None:
    """So that what nobody understands can be looked at by dialect; what was understood needs no name."""
    items = Detector([Refusing("native")]).feed(Delivery(offset=1, body=b"x", received_at=1.0))
    assert ["", "native"] == [item.dialect for item in items]
    (nobody,) = Detector([Parrot("native")]).feed(
        Delivery(offset=1, body=b"x", received_at=1.0, headers={DIALECT_HEADER: "klingon"})
    )
    assert "" == nobody.dialect


def test_a_detector_needs_a_dialect() -> None:
    """A relay that understands nothing does not start."""
    with pytest.raises(ValueError, match="name at least `native`"):
        Detector([])


@pytest.mark.parametrize("body", [b"", b"tweet", b"x" * (MAX_BODY_BYTES + 1)], ids=["empty", "text", "too large"])
@pytest.mark.parametrize("more", [{}, {DIALECT_HEADER: "native"}, {DIALECT_HEADER: "klingon"}], ids=str)
def test_a_canary_is_no_event_in_any_dialect(body: bytes, more: dict[str, JsonValue]) -> None:
    """No dialect sees it, and nobody takes it for poison, whatever is in it."""
    headers: dict[str, JsonValue] = {CANARY_HEADER: True, **more}
    delivery = Delivery(offset=1, body=body, received_at=1.0, message_id="c-1", headers=headers)
    assert [] == Detector([Parrot("native")]).feed(delivery)


def over(detector: Detector, exchange: str, **headers: JsonValue) -> str:
    """Return who read what came over an exchange."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    (item,) = detector.feed(Delivery(offset=1, body=b"c", received_at=1.0, exchange=exchange, headers=named))
    return item.detail


def test_an_exchange_speaks_its_dialect() -> None:
    """It beats every guess, and the header beats it; other exchanges are guessed as ever."""
    detector = Detector([Claiming("celery"), Parrot("rules"), Parrot("native")], spoken={"bus": "rules"})
    assert "rules" == over(detector, "bus")
    assert "native" == over(detector, "bus", x_relayd_dialect="native")
    assert "celery" == over(detector, "swarm.events")


def test_what_is_published_again_speaks_as_it_did_at_first() -> None:
    """Over the exchange of all others; dialects see the first one, too."""
    detector = Detector([Parrot("rules"), Parrot("native")], spoken={"bus": "rules"})
    assert ["native", "rules"] == [
        over(detector, "swarm.events"),
        over(detector, "swarm.events", x_relayd_exchange="bus"),
    ]
    celery = Detector([CeleryDialect(), Parrot("native")])
    (item,) = celery.feed(
        Delivery(offset=1, body=b"{}", received_at=1.0, exchange="swarm.events", headers={EXCHANGE_HEADER: "celeryev"})
    )
    assert Reason.UNKNOWN_TYPE is item.reason


def test_an_exchange_speaks_no_dialect_that_is_not_in_use() -> None:
    """Or all that comes over it would be guessed, in silence."""
    with pytest.raises(ValueError, match="dialects: 'rules', spoken over exchange bus, is not in use"):
        Detector([Parrot("native")], spoken={"bus": "rules"})
