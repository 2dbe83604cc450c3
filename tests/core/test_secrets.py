import re

import pytest

from relayd.core.secrets import NAMES, RULES

EXAMPLES = {
    "private_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "forge": "ghp_0123456789abcdefghij0123456789abcdef",
    "slack": "xoxb-0123456789-abcdef",
    "api_key": "sk-ant-api03-0123456789abcdef",
    "authorization": "Bearer 0123456789abcdef",
    "url": "amqp://relay:hunter2@broker/",
    "cookie": "Cookie: session=1; theme=dark",
    "assignment": "password=hunter2",
}


def test_every_rule_has_an_example() -> None:
    """A rule without one is a rule that nobody has seen at work."""
    assert list(EXAMPLES) == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_its_example(rule: object) -> None:
    """And one of its words stands in it, else the example would never be looked at."""
    found = next(one for one in RULES if one is rule)
    example = EXAMPLES[found.name]
    assert re.search(found.pattern, example)
    assert any(word in example.lower() and re.search(more, example.lower()) for word, more in found.words.items())


def test_words_and_names_are_in_lower_case() -> None:
    """They are compared with what was made lower, so another letter would never match."""
    written = [*NAMES, *[word for rule in RULES for word in rule.words]]
    assert written == [word.lower() for word in written]
