"""Why somebody is not let in."""

from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import NotFound, Refused


def test_a_refusal_says_what_to_do_and_is_an_answer_over_http() -> None:
    """Status and code are those of the table of endings."""
    refused = Refused(Disconnect.TOO_MANY_CONNECTIONS, "close one", "user_limit", data={"limit": 5})
    assert ("close one", "user_limit", {"limit": 5}) == (str(refused), refused.reason, refused.data)
    assert (429, "TOO_MANY_CONNECTIONS") == (refused.http_status, refused.http_code)
    assert {} == Refused(Disconnect.FORBIDDEN, "no", "forbidden").data


def test_what_is_not_there_is_404() -> None:
    """It is asked over HTTP only, so the table has no row for it."""
    refused = NotFound("there is no such project")
    assert (404, "NOT_FOUND", "not_found") == (refused.http_status, refused.http_code, refused.reason)
