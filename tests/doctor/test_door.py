import pytest

from relayd.doctor.door import days_of, host_of, names_of, versions_of

DAY = 86_400.0


@pytest.mark.parametrize(
    ("days", "mark"), [(-1, "bad"), (6, "bad"), (8, "warn"), (20, "warn"), (22, "ok"), (400, "ok")]
)
def test_a_certificate_is_judged_by_its_days(days: int, mark: str) -> None:
    """Three weeks are what a machine that renews never lets pass."""
    finding = days_of(days * DAY + 100, now=100.0)
    assert mark == finding.mark
    assert f"{days} days left" in finding.found


@pytest.mark.parametrize(
    ("base", "expected"),
    [("https://a", ("a", 443)), ("http://a:81/x", ("a", 81)), ("https://[::1]:4", ("::1", 4)), ("http://a", ("a", 80))],
)
def test_the_port_is_the_schemes_unless_it_is_said(base: str, expected: tuple[str, int]) -> None:
    """As everywhere."""
    assert expected == host_of(base)


@pytest.mark.parametrize(
    ("base", "mark", "words"),
    [
        ("https://127.0.0.1:1", "ok", "is an address"),
        ("https://localhost", "ok", "localhost is "),
        ("https://relay.invalid", "bad", "relay.invalid: "),
    ],
)
async def test_a_name_leads_somewhere(base: str, mark: str, words: str) -> None:
    """Or it is told that it does not."""
    (finding,) = await names_of(base)
    assert mark == finding.mark
    assert words in finding.found


@pytest.mark.parametrize(("base", "mark"), [("http://127.0.0.1:8000", "ok"), ("http://relay.invalid", "bad")])
async def test_without_tls_only_the_loopback_is_well(base: str, mark: str) -> None:
    """Anywhere else a token travels for all to read."""
    (finding,) = await versions_of(base)
    assert mark == finding.mark
