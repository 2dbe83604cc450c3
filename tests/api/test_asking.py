import pytest
from aiohttp.test_utils import make_mocked_request

from relayd.api.asking import answer, number
from relayd.relay.refusal import Refused


def test_a_number_within_its_bounds() -> None:
    """Both bounds belong to it; what is not said is the default."""
    for text, wanted in {"?n=1": 1, "?n=500": 500, "": 50}.items():
        assert wanted == number(make_mocked_request("GET", f"/{text}"), "n", default=50, least=1, most=500)


@pytest.mark.parametrize("text", ["", "0", "501", "-1", "+1", "1.0", "1_0", " 1", "٣", "9" * 5_000])
def test_what_is_no_number_is_named(text: str) -> None:
    """The parameter, its bounds and what was sent, cut short."""
    with pytest.raises(Refused, match="n: use a whole number from 1 to 500, not '") as caught:
        number(make_mocked_request("GET", f"/?n={text.replace('+', '%2B')}"), "n", default=50, least=1, most=500)
    assert (400, True) == (caught.value.http_status, len(caught.value.sentence) < 100)


def test_no_cache_keeps_an_answer() -> None:
    """It holds what one user may see, and a browser must not take it for anything but JSON."""
    response = answer({"a": 1}, status=201)
    assert (201, b'{"a":1}', "application/json") == (response.status, response.body, response.content_type)
    assert ("no-store", "nosniff") == (response.headers["Cache-Control"], response.headers["X-Content-Type-Options"])
