import pytest

from relayd.config.checks import ticket_warning
from tests.config.conftest import Loads, Problems
from tests.config.plugin_settings import KEY

DISABLED = "[auth]\nmode = 'disabled'\n[journal]\npath = 'x'\n"


def test_the_embedded_source_needs_a_journal(problems: Problems, loads: Loads) -> None:
    """There the journal is the log; a source that can be read again does without."""
    auth = f"[auth]\nkeys = [{{ algorithm = 'HS256', key = '{KEY}' }}]\n"

    assert [
        (
            'journal.path: is required with source.use = "embedded", because the journal is its log; '
            'set it to a file, like "/var/lib/relayd/relayd.db"'
        )
    ] == problems(auth, good="")
    assert not loads(auth + "[source]\nuse = 'rabbitmq'\n", good="").journal.path


def test_tokens_need_a_key(problems: Problems) -> None:
    """There is no key by default: a known one would be worse than none."""
    assert [
        (
            'auth.keys: auth.mode = "jwt" needs at least one key; add keys = [{ algorithm = "HS256", file = "…" }], '
            "hand over the credential jwt_key, or set auth.jwks.url"
        )
    ] == problems("[journal]\npath = 'x'\n", good="")


@pytest.mark.parametrize("host", ["192.168.0.1", "10.0.0.1", "::", "relay.example"])
def test_an_open_door_on_a_network(problems: Problems, host: str) -> None:
    """Everybody who reaches the machine would see everything."""
    assert [
        f'auth.mode: "disabled" is only allowed while listening on loopback or a unix socket; server.host is "{host}"'
    ] == problems(f"[server]\nhost = '{host}'\n{DISABLED}", good="")


@pytest.mark.parametrize(
    "server", ["host = '127.0.0.9'", "host = '::1'", "host = 'localhost'", "host = '::'\nsocket = '/x'"]
)
def test_an_open_door_at_home(loads: Loads, server: str) -> None:
    """Loopback and a unix socket are reached by oneself only."""
    assert "disabled" == loads(f"[server]\n{server}\n{DISABLED}", good="").auth.mode


def test_published_keys_are_keys(loads: Loads) -> None:
    """An issuer that publishes, or a document, is enough; a relay then needs no secret at all."""
    for jwks in ("url = 'https://id.example/jwks.json'", "document = '{}'"):
        assert () == loads(f"[auth.jwks]\n{jwks}\n[journal]\npath = 'x'\n", good="").auth.keys


def test_keys_are_published_in_one_place(problems: Problems) -> None:
    """With two of them nobody knows which is meant."""
    assert ["auth.jwks: has `url` and `file`; keep one of them"] == problems(
        "[auth.jwks]\nurl = 'https://id.example/'\nfile = '/nowhere'\n"
    )
    assert ["auth.jwks: has `url` and `file` and `document`; keep one of them"] == problems(
        "[auth.jwks]\nurl = 'https://id.example/'\nfile = '/nowhere'\ndocument = '{}'\n"
    )


def test_keys_are_read_again_before_they_are_too_old(problems: Problems, loads: Loads) -> None:
    """Otherwise all viewers would be sent away now and then, with nothing wrong anywhere."""
    jwks = "[auth.jwks]\nurl = 'https://id.example/'\nrefresh_seconds = 60\n"

    assert [
        (
            "auth.jwks.max_stale_seconds: must be above auth.jwks.refresh_seconds, which is 60, not 60: the keys would "
            "be given up before they are read again"
        )
    ] == problems(f"{jwks}max_stale_seconds = 60\n")
    assert 61 == loads(f"{jwks}max_stale_seconds = 61\n").auth.jwks.max_stale_seconds


def test_two_listeners_on_one_port(problems: Problems, loads: Loads) -> None:
    """The second would fail to start, or worse, give operators' answers to viewers."""
    said = "is taken by [server]; operators and viewers need listeners of their own"

    assert [f"admin.port: {said}"] == problems("[admin]\nport = 8000\n")
    assert [f"admin.socket: {said}"] == problems("[server]\nsocket = '/x'\n[admin]\nsocket = '/x'\n")
    assert 0 == loads("[server]\nport = 0\n[admin]\nport = 0\n").admin.port
    assert 8000 == loads("[server]\nsocket = '/x'\n[admin]\nport = 8000\n").admin.port


def test_a_tail_that_nobody_may_ask_for(problems: Problems) -> None:
    """The default is an answer like any other and keeps the same limit."""
    assert ["limits.tail: must be at most limits.max_tail, which is 10, not 20"] == problems(
        "[limits]\ntail = 20\nmax_tail = 10\n"
    )


@pytest.mark.parametrize(
    ("longer", "shorter", "least"),
    [
        ("stuck_seconds", "quiet_seconds", "30"),
        ("tool_seconds", "stuck_seconds", "300"),
        ("lost_seconds", "stuck_seconds", "300"),
        ("end_seconds", "lost_seconds", "900"),
    ],
)
def test_longer_silence_never_means_less(problems: Problems, longer: str, shorter: str, least: str) -> None:
    """An agent that stays silent would seem to recover."""
    (said, *_) = problems(f"[liveness]\n{longer} = 20\n")
    assert f"liveness.{longer}: must be at least liveness.{shorter}, which is {least}, not 20" == said


def test_silences_may_be_equal(loads: Loads) -> None:
    """Who knows no quiet agents calls them stuck at once."""
    everything = "\n".join(f"{name}_seconds = 60" for name in ("quiet", "stuck", "tool", "lost", "end"))
    assert 60 == loads(f"[liveness]\n{everything}\n").liveness.end_seconds


def test_a_table_that_is_wrong_in_itself_is_compared_with_nothing(problems: Problems) -> None:
    """One slip, one sentence."""
    assert [
        "server.port: must be greater than or equal to 0, not -1",
        "limits.tail: must be greater than or equal to 0, not -1",
    ] == problems("[server]\nport = -1\n[limits]\ntail = -1\n[admin]\nport = 8000\n")


TICKET_KEY = f"[auth.tickets]\nkey = '{KEY}'\n"
TOGETHER, PEERS = "[presence]\nuse = 'redis'\n", "[server]\npeers = true\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ""),
        (TICKET_KEY, ""),
        (TOGETHER, "auth.tickets.key: is not set, so a ticket opens only at the relay that made it"),
        (PEERS, "auth.tickets.key: is not set, so a ticket opens only at the relay that made it"),
        (TOGETHER + TICKET_KEY, ""),
        (PEERS + TICKET_KEY, 'presence.use: is "memory", so a ticket can be used once at each relay'),
        (PEERS + TOGETHER + TICKET_KEY, ""),
    ],
)
def test_several_relays_and_their_tickets(loads: Loads, text: str, named: str) -> None:
    """What they do not share is told, with its mend; it is no mistake, for who uses no tickets does not mind."""
    said = ticket_warning(loads(text))

    assert named == said.partition(";")[0]


def test_a_dialect_that_a_source_reads_is_in_use(problems: Problems, loads: Loads) -> None:
    """Each that lacks is named, with the exchange; where either table is wrong in itself that is told alone."""
    text = """
[source]
use = "rabbitmq"
[sources.rabbitmq]
spoken = { bus = "rules", celeryev = "celery", other = "klingon" }
[dialects]
"""
    assert [
        'dialects.use: lacks "rules", in which the source reads exchange bus; add it',
        'dialects.use: lacks "klingon", in which the source reads exchange other; add it',
    ] == problems(text)
    loads(text.replace(', other = "klingon"', "").replace('"rules"', '"native"'))
    assert ['dialects.use: must be a list, like ["a", "b"]'] == problems(text + "use = 'celery'")
