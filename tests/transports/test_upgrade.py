import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from relayd.transports.upgrade import PLAIN, is_upgrade, negotiated, switching

OPENING = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def asking(**headers: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN201  # a Request, which aiohttp names Mock
    """Return the opening of a WebSocket with some headers changed; `Sec_` stands for `Sec-WebSocket-`."""
    named = {name.replace("Sec_", "Sec-WebSocket-").replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in {**OPENING, **named}.items() if value is not None}
    return make_mocked_request("GET", "/", headers=kept)


def test_the_answer_is_that_of_the_standard() -> None:
    """The example of RFC 6455 1.3; no token and no extension is echoed that was not agreed on."""
    request = asking(Sec_Protocol="bearer.secret, relayd.v1")
    answer = switching(request, PLAIN)
    assert is_upgrade(request)
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"\r\nSec-WebSocket-Protocol: relayd.v1\r\n" in answer
    assert b"secret" not in answer
    assert b"Extensions" not in answer
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Upgrade", None),
        ("Upgrade", "h2c"),
        ("Connection", "keep-alive"),
        ("Sec_Version", "8"),
        ("Sec_Key", None),
        ("Sec_Key", "short"),
        ("Sec_Key", "c2hvcnQ="),
        ("Sec_Key", "%%%%"),
    ],
)
def test_what_is_no_opening_is_none(header: str, value: str | None) -> None:
    """RFC 6455 4.2.1: each of its headers is needed, as it is."""
    assert not is_upgrade(asking(**{header: value}))


@pytest.mark.parametrize(
    ("offers", "window"),
    [
        (None, 0),
        ("permessage-deflate", 15),
        ("permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", 15),
        ('permessage-deflate; server_max_window_bits="12"', 12),
        ("permessage-deflate; server_max_window_bits=9", 9),
        ("permessage-deflate; server_max_window_bits=8", 0),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15),
        ("permessage-deflate; server_max_window_bits", 0),
        ("permessage-deflate; server_max_window_bits=16", 0),
        ("permessage-deflate; client_max_window_bits=7", 0),
        ("permessage-deflate; server_no_context_takeover=1", 0),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", 0),
        ("permessage-deflate; unheard_of", 0),
        ("x-webkit-deflate-frame", 0),
    ],
)
def test_the_first_offer_that_can_be_taken_is(offers: str | None, window: int) -> None:
    """RFC 7692 7.1: unknown, doubled and invalid parameters decline an offer, not the connection."""
    assert window == negotiated(asking(Sec_Extensions=offers)).window


@given(
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(8, 15),
    st.none() | st.just(True) | st.integers(9, 15),
)
def test_another_library_agrees_with_the_answer(
    server_forgets: bool, client_forgets: bool, server_bits: int | None, client_bits: int | bool | None
) -> None:
    """Whatever it offers, it takes what is answered, and reads with the window that we write for."""
    offer = ClientPerMessageDeflateFactory(
        server_no_context_takeover=server_forgets,
        client_no_context_takeover=client_forgets,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    asked = "; ".join(
        [
            "permessage-deflate",
            *(name if value is None else f"{name}={value}" for name, value in offer.get_request_params()),
        ]
    )
    answer = negotiated(asking(Sec_Extensions=asked))
    if server_bits == 8:
        assert PLAIN == answer
        return
    ((_, answered),) = parse_extension(answer.header)
    try:
        agreed = offer.process_response_params(answered, [])
    except NegotiationError as error:
        raise AssertionError(answer.header) from error
    assert answer.window == agreed.remote_max_window_bits
    assert agreed.local_no_context_takeover
