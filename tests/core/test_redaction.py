import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.redaction import COUNTED, HIDDEN, MAX_DEPTH, Redactor
from relayd.core.secrets import RULES
from relayd.protocol import codec
from relayd.protocol.messages import MAX_LOG_MESSAGE, ProjectStarted, WorkflowLog
from tests.core.test_secrets import EXAMPLES
from tests.protocol.strategies import quick


def line(message: str, **fields: object) -> WorkflowLog:
    """Return a line of log."""
    return WorkflowLog(project_id="p", timestamp=1.0, level="info", message=message, fields=fields or None)


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        ("password=[redacted] next", "password=hunter2 next"),
        ('{"token": "[redacted]", "n": 1}', '{"token": "abc\\"def", "n": 1}'),
        ('{\\"api_key\\": \\"[redacted]\\", \\"n\\": 1}', '{\\"api_key\\": \\"abcd1234\\", \\"n\\": 1}'),
        ("secret: '[redacted]' and more", "secret: 'two words' and more"),
        ("Authorization: Bearer [redacted]", "Authorization: Bearer 0123456789abcdef=="),
        ("Authorization: Basic [redacted]", "Authorization: Basic YWxhZGRpbg=="),
        ("amqp://guest:[redacted]@broker:5672/", "amqp://guest:hunter2@broker:5672/"),
        ("tool --api-key [redacted] run", "tool --api-key abcd1234 run"),
        ("export AWS_SECRET_ACCESS_KEY=[redacted]", "export AWS_SECRET_ACCESS_KEY=abcd/efgh+1"),
        ("Set-Cookie: [redacted]", "Set-Cookie: a=b; c=d"),
        ("[redacted], [redacted]", "ghp_0123456789abcdefghij, glpat-0123456789abcdef"),
        ("[redacted]\nrest", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nrest"),
        ("[redacted]", "-----BEGIN PRIVATE KEY-----\nabc, and cut off"),
    ],
)
def test_a_secret_is_hidden_and_the_rest_stays(shown: str, written: str) -> None:
    """What stands around it is what makes a log worth reading."""
    assert shown == Redactor().text(written)


@pytest.mark.parametrize(
    "text",
    [
        "input_tokens=500, max tokens: 20000",
        "a basic understanding of the bearer's task",
        "task-0123456789abcdef-0123",
        "the token is fine, the secret santa came, passwordless login works",
        "see https://example.org/a?b=c and mail me@example.org",
        "keyboard: qwerty",
        "password: [redacted]",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log in which every second word is hidden is of no use to anybody."""
    assert text == Redactor().text(text)


def test_fields_with_the_name_of_a_secret_are_hidden() -> None:
    """Whatever they hold and however they are spelled, but for numbers, which are counts."""
    message = line("m", API_Key="x", token=12, authorization=None, user="u", password=["a", "b"])
    Redactor().message(message)
    shown = {"API_Key": HIDDEN, "token": 12, "authorization": None, "user": "u", "password": HIDDEN}
    assert shown == message.fields


def test_an_operators_fields_and_patterns_are_hidden() -> None:
    """By a name anywhere, by a path from the top, `*` being each element of a list, and by a pattern in any text."""
    redactor = Redactor(fields=["mail", "fields.user.name", "fields.list.*.pin"], patterns=[r"\bEMP-\d+"])
    message = line("EMP-17 said EMP-x", user={"name": "n", "id": 1}, name="m", Mail="a@b", list=[{"pin": 1, "b": 2}])
    redactor.message(message)
    assert f"{HIDDEN} said EMP-x" == message.message
    shown = {"user": {"name": HIDDEN, "id": 1}, "name": "m", "Mail": HIDDEN, "list": [{"pin": HIDDEN, "b": 2}]}
    assert shown == message.fields
    assert {"configured": 4} == redactor.take()


def test_a_field_of_the_message_itself_can_be_hidden() -> None:
    """As any other."""
    message = ProjectStarted(project_id="p", timestamp=1.0, description="inner matters")
    Redactor(fields=["description"]).message(message)
    assert HIDDEN == message.description


def test_who_may_see_an_event_does_not_change() -> None:
    """A project, an owner or an agent that looks like a secret is joined by its name all the same."""
    name = EXAMPLES["aws"]
    message = ProjectStarted(
        project_id=name, timestamp=1.0, owner=name, team=name, agents=[name], agent=name, name=name
    )
    Redactor().message(message)
    shown = ProjectStarted(
        project_id=name, timestamp=1.0, owner=name, team=name, agents=[name], agent=name, name=HIDDEN
    )
    assert shown == message


def test_a_message_without_secrets_is_left_as_it_is() -> None:
    """The very objects stay."""
    fields = {"a": {"b": ["c", 1, None, True]}}
    message = line("text", **fields)
    before = message.fields
    Redactor().message(message)
    assert before is message.fields


def test_a_hidden_message_is_still_one_that_can_be_read() -> None:
    """What stands for a short secret is longer than it, and a log line has a longest length."""
    message = line(("password=abcd " * 2_000)[:MAX_LOG_MESSAGE])
    Redactor().message(message)
    assert MAX_LOG_MESSAGE == len(message.message)
    assert message == codec.decode_event(codec.encode(message))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_can_be_switched_off(rule: object) -> None:
    """Then its secrets are shown, unless another rule knows them, too."""
    name = next(one.name for one in RULES if one is rule)
    text = f"see {EXAMPLES[name]} there"
    on, off = Redactor(), Redactor(off=[name])
    assert text != on.text(text)
    assert name in on.take()
    off.text(text)
    assert name not in off.take()


def test_fields_can_be_switched_off() -> None:
    """The names are a rule like the others."""
    message = line("m", password="x")
    Redactor(off=["field"]).message(message)
    assert {"password": "x"} == message.fields


def test_secrets_are_counted_by_rule() -> None:
    """Once each, and from nothing again when the count was taken."""
    redactor = Redactor()
    redactor.text(f"{EXAMPLES['aws']} {EXAMPLES['aws']} {EXAMPLES['url']}")
    redactor.raw(b'{"password": "x"}')
    counts = redactor.take()
    assert {"aws": 2, "url": 1, "field": 1} == counts
    assert set(counts) <= set(COUNTED)
    assert {} == redactor.take()


def test_what_could_not_be_understood_is_hidden_in_its_own_shape() -> None:
    """JSON stays JSON, other text and bytes that are no text stay what they are."""
    redactor = Redactor()
    assert b'{"type":1,"password":"[redacted]"}' == redactor.raw(b'{"type": 1, "password": "x"}')
    assert b"no JSON, password=[redacted] \xff" == redactor.raw(b"no JSON, password=hunter2 \xff")
    assert b'{"type": "\xc3\xa4"}' == redactor.raw(b'{"type": "\xc3\xa4"}')
    assert b'"half \\ud800"' == redactor.raw(b'"half \\ud800"')


def test_what_is_nested_too_deep_is_hidden_whole() -> None:
    """Else a hostile publisher could hide a secret below the depth that can be searched."""
    deep = b'{"a":' * MAX_DEPTH + b"[" * MAX_DEPTH + b'"AKIAIOSFODNN7EXAMPLE"' + b"]" * MAX_DEPTH + b"}" * MAX_DEPTH
    hidden = Redactor().raw(deep)
    assert b"AKIA" not in hidden
    assert HIDDEN.encode() in hidden


def test_headers_are_hidden_like_fields() -> None:
    """They are kept with a rejected event."""
    headers = {"Authorization": "Bearer 1", "trace": "t", "note": "password=hunter2"}
    shown = {"Authorization": HIDDEN, "trace": "t", "note": f"password={HIDDEN}"}
    assert shown == Redactor().headers(headers)


PIECES = st.sampled_from(
    [
        *EXAMPLES.values(), "password", "Token", "api_key", "secret", "Authorization", "Bearer ", "=", ": ", '"', "'",
        " ", "\n", "\\", "abcd1234", "eyJ", "sk-", "@", "://", "user", "[redacted]", "--token ", "é", "\t", "; ",
    ]
)  # fmt: skip
WORDS = st.text(string.ascii_letters + " .,:=\"'\n", max_size=20)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@quick
@given(TEXTS, st.booleans())
def test_whatever_is_hidden_was_suspected_in_the_body(text: str, plain: bool) -> None:
    """Bodies that are not suspected are never looked at, so a word missing there would be a leak."""
    redactor = Redactor()
    if redactor.text(text) != text:
        assert redactor.suspects(json.dumps({"message": text}, ensure_ascii=plain).encode())


@quick
@given(st.dictionaries(st.sampled_from(["password", "Api-Key", "refresh_token", "other"]), TEXTS, min_size=1))
def test_a_field_that_is_hidden_was_suspected_in_the_body(fields: dict[str, str]) -> None:
    """The same for what is hidden for its name."""
    redactor = Redactor()
    message = line("m", **fields)
    redactor.message(message)
    if message.fields != fields:
        assert redactor.suspects(json.dumps({"fields": fields}).encode())


@quick
@given(st.sampled_from(sorted(EXAMPLES)), WORDS, WORDS)
def test_a_secret_between_any_words_is_hidden(rule: str, before: str, after: str) -> None:
    """Its core is nowhere to be found any more."""
    core = {"url": "hunter2", "assignment": "hunter2", "cookie": "session=1"}.get(rule, EXAMPLES[rule])
    core = core.removeprefix("Bearer ")
    assert core not in Redactor().text(f"{before} {EXAMPLES[rule]} {after}")


@quick
@given(TEXTS)
def test_hiding_again_changes_nothing(text: str) -> None:
    """What was published again from the rejected events comes through here a second time."""
    redactor = Redactor()
    once = redactor.text(text)
    assert once == redactor.text(once)


def test_another_one_with_the_same_rules_counts_for_itself() -> None:
    """What is hidden on its way out is not told as what came in."""
    redactor = Redactor(fields=["mail"])
    redactor.message(line("m", mail="ada@example.org"))
    other, told = redactor.afresh(), line("m", mail="ada@example.org")
    other.message(told)
    other.message(line("m", mail="bob@example.org"))
    assert {"mail": HIDDEN} == told.fields
    assert ({"configured": 1}, {"configured": 2}) == (redactor.take(), other.take())
