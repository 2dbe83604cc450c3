import json
from pathlib import Path
from typing import Any

from relayd.config import Config, load
from relayd.doctor.tokens import keys_of, published_of
from relayd.plugins import settings_of
from tests.doctor.patient import amiss
from tests.harness.issuer import Issuer
from tests.harness.pairs import pair
from tests.harness.settled import write_settings


def config(folder: Path, **tables: dict[str, Any]) -> Config:
    """Return a configuration with these tables; `jwks` stands for auth.jwks."""
    named = {{"jwks": "auth.jwks"}.get(name, name): settings for name, settings in tables.items()}
    return load(write_settings(folder, named), {}, settings_of)


def test_keys_in_writing_are_counted(tmp_path: Path) -> None:
    """By algorithm; a JWK set stands beside them, and what is not used of it is told."""
    (plain,) = keys_of(config(tmp_path))
    assert "1 for HS256" == plain.found
    document = json.dumps({"keys": [pair("a").jwk(), {**pair("b").jwk(), "use": "enc"}]})
    findings = list(keys_of(config(tmp_path, jwks={"document": document})))
    assert "1 for HS256, 1 for RS256 in a JWK set" == findings[0].found
    assert ["ok", "warn"] == [one.mark.value for one in findings]
    assert "left out" in findings[1].found


def test_an_open_door_is_told(tmp_path: Path) -> None:
    """It is allowed on the loopback, and rarely meant."""
    (finding,) = keys_of(config(tmp_path, auth={"mode": "disabled", "keys": []}))
    assert "warn" == finding.mark


async def test_an_issuer_is_asked(tmp_path: Path) -> None:
    """Its keys are counted, and how long it took is told."""
    assert [] == list(await published_of(config(tmp_path)))
    async with Issuer(pair("a").jwk(), pair("b").jwk()) as issuer:
        settings = config(tmp_path, jwks={"url": issuer.url})
        (finding,) = await published_of(settings)
        assert "ok" == finding.mark
        assert finding.found.startswith("2 for RS256 in a JWK set, answered in ")
        issuer.say("<html>")
        broken = list(await published_of(settings))
        issuer.say("{}", status=404)
        absent = list(await published_of(settings))
    looked_at = f"keys of {issuer.url}"
    assert [{looked_at: "bad"}] * 2 == [amiss(broken), amiss(absent)]
    assert "it answers 404" == absent[0].found
    assert "auth.jwks" in absent[0].mend
