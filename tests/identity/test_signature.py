import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any

from relayd.identity.signature import HEADER, signature

ROOT = Path(__file__).parents[2]
SECRET = b"0123456789abcdef0123456789abcdef"
SIGNED: dict[str, Any] = {
    "at": 1_700_000_000,
    "method": "GET",
    "target": "/projects/p-1/access?x=1",
    "token": "eyJ.a.b",
}


def test_it_can_be_checked_with_what_every_language_has() -> None:
    """An HMAC over time, method, address and the token's hash."""
    digest = hashlib.sha256(b"eyJ.a.b").hexdigest()
    told = f"1700000000.GET./projects/p-1/access?x=1.{digest}".encode()
    expected = hmac.new(SECRET, told, hashlib.sha256).hexdigest()
    assert f"t=1700000000,v1={expected}" == signature(SECRET, **SIGNED)
    assert "X-Relayd-Signature" == HEADER


def test_each_part_is_signed() -> None:
    """Another time, method, address, token or secret is another signature."""
    others: list[dict[str, Any]] = [
        {"at": 1_700_000_001},
        {"method": "POST"},
        {"target": "/projects/p-2/access?x=1"},
        {"token": "eyJ.a.c"},
    ]
    signed = {signature(SECRET, **{**SIGNED, **other}) for other in ({}, *others)}
    signed.add(signature(SECRET[::-1], **SIGNED))
    assert 6 == len({value.partition(",")[2] for value in signed})


def test_the_snippet_for_apis_is_right() -> None:
    """docs/operate.md shows how it is checked; an old one, another address, method, token or secret is none."""
    page = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    (snippet,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "asked_by_relayd" in block]
    there: dict[str, Any] = {}
    exec(snippet, there)  # noqa: S102 - our own page
    check = there["asked_by_relayd"]
    now = int(time.time())
    asked = ("GET", "/projects/p-1/access?x=1", "eyJ.a.b")
    header = signature(SECRET, **{**SIGNED, "at": now})
    assert check(SECRET, header, *asked)
    assert not check(SECRET[::-1], header, *asked)
    assert not check(SECRET, signature(SECRET, **{**SIGNED, "at": now - 61}), *asked)
    for number, other in enumerate(("POST", "/projects/p-2/access?x=1", "eyJ.a.c")):
        assert not check(SECRET, header, *(other if number == place else part for place, part in enumerate(asked)))
