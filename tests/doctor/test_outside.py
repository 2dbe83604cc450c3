"""The round from outside, through a real nginx with the shipped configuration, in which each thing is broken once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.doctor.patient import Patient, amiss, found
from tests.harness.daemon import PrivateRelay
from tests.harness.nginx import PrivateNginx
from tests.harness.process import free_port
from tests.harness.viewer import log

Change = tuple[str, str]

LIVE = "        proxy_buffering off;\n        proxy_cache off;\n"
ELSE = "    location / {\n        return 404;\n    }"
ORIGIN = "        if ($relayd_origin_allowed = 0) { return 403; }\n"
FORWARDED = '    proxy_set_header Forwarded "";\n'
CIPHERS = "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:"


def before(patient: Patient, folder: Path, *changes: Change, days: int = 90) -> PrivateNginx:
    """Return the proxy before the relay, with changes; `ADMIN`, `RELAY` and `FOLDER` in them are what they say."""
    relay = patient.relay
    words = {"ADMIN": f"127.0.0.1:{relay.admin_port}", "RELAY": f"127.0.0.1:{relay.port}", "FOLDER": str(folder)}
    filled = []
    for old, new in changes:
        text = new
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        filled.append((old, text))
    return PrivateNginx(folder, relayd=words["RELAY"], changes=filled, days=days)


async def test_the_shipped_configuration_is_well(patient: Patient, tmp_path: Path) -> None:
    """Nothing is amiss; only the idle socket is not tried unless it is asked for."""
    with before(patient, tmp_path) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt")
    assert {} == amiss(findings)
    assert ["WebSocket, idle"] == [one.looked_at for one in findings if one.mark == "skip"]
    assert "TLSv1.2, TLSv1.3" == found(findings, "TLS").found


async def test_without_a_token_it_looks_at_what_needs_none(patient: Patient, tmp_path: Path) -> None:
    """And says what that leaves out, and how to have it."""
    with before(patient, tmp_path) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt", token="")
    assert {} == amiss(findings)
    left_out = [one for one in findings if one.mark == "skip"]
    assert ["WebSocket, first message", "event stream", "long poll"] == [one.looked_at for one in left_out]
    assert {"give one with --token-file"} == {one.mend for one in left_out}


@pytest.mark.parametrize(
    ("changes", "expected", "mend"),
    [
        (
            [(LIVE, "        proxy_buffering on;\n        proxy_ignore_headers X-Accel-Buffering;\n")],
            {"event stream": "bad"},
            "proxy_buffering off",
        ),
        ([(ELSE, "    location / { proxy_pass http://ADMIN; }")], {"inner paths": "bad"}, "the paths of deploy/nginx"),
        (
            [("proxy_set_header Upgrade $relayd_upgrade;", 'proxy_set_header Upgrade "";')],
            {"WebSocket": "bad"},
            "`Connection: upgrade`",
        ),
        (
            [(FORWARDED, f'{FORWARDED}    proxy_set_header Sec-WebSocket-Protocol "";\n')],
            {"WebSocket": "bad"},
            "Sec-WebSocket-Protocol",
        ),
        (
            [
                ("ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;"),
                (CIPHERS, "ssl_ciphers ALL:@SECLEVEL=0:"),
            ],
            {"TLS": "bad"},
            "ssl_protocols TLSv1.2 TLSv1.3;",
        ),
        (
            [(ORIGIN, ""), (FORWARDED, f'{FORWARDED}    proxy_set_header Origin "";\n')],
            {"foreign pages": "bad"},
            "$relayd_origin_allowed",
        ),
        (
            [
                ("upstream relayd {", "proxy_cache_path FOLDER/cache keys_zone=kept:1m;\nupstream relayd {"),
                (
                    LIVE,
                    "        proxy_cache kept; proxy_cache_valid any 1m; proxy_ignore_headers Cache-Control;\n",
                ),
            ],
            {"long poll, cache": "bad"},
            "proxy_cache off",
        ),
        ([("server_tokens off;", "server_tokens on;")], {"Server": "warn"}, "server_tokens off"),
        (
            [("gzip off;", "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;")],
            {"event stream": "warn", "long poll": "warn"},
            "gzip off",
        ),
        (
            [("add_header Referrer-Policy no-referrer always;", "add_header X-Asked $http_authorization always;")],
            {"event stream": "bad", "long poll": "bad", "token's echo": "bad"},
            "take it out of what the proxy adds",
        ),
    ],
    ids=[
        "buffering",
        "metrics",
        "no upgrade",
        "no sub-protocol",
        "old TLS",
        "origins",
        "cache",
        "version",
        "gzip",
        "echo",
    ],
)
async def test_what_is_wrong_is_named_and_nothing_else(
    patient: Patient, tmp_path: Path, changes: Sequence[Change], expected: dict[str, str], mend: str
) -> None:
    """Each mistake that people make in front of a relay, with the line that mends it."""
    with before(patient, tmp_path, *changes) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt")
    assert expected == amiss(findings)
    for looked_at in expected:
        assert mend in found(findings, looked_at).mend


async def test_a_socket_that_is_cut_when_idle_is_named(patient: Patient, tmp_path: Path) -> None:
    """Asked for, an idle socket is looked at as long as that takes."""
    hasty = ("proxy_read_timeout 75s;", "proxy_read_timeout 1s;")
    with before(patient, tmp_path / "cut", hasty) as nginx:
        cut = await patient.outside(nginx.https, tmp_path / "cut" / "relayd.crt", idle_seconds=10)
    with before(patient, tmp_path / "kept") as nginx:
        kept = await patient.outside(nginx.https, tmp_path / "kept" / "relayd.crt", idle_seconds=1.5)
    assert {"WebSocket, idle": "bad"} == amiss(cut)
    assert "proxy_read_timeout" in found(cut, "WebSocket, idle").mend
    assert "alive after 2 s" == found(kept, "WebSocket, idle").found


@pytest.mark.parametrize(("days", "mark"), [(3, "bad"), (10, "warn")])
async def test_a_certificate_that_ends_is_named(patient: Patient, tmp_path: Path, days: int, mark: str) -> None:
    """Before it has ended."""
    with before(patient, tmp_path, days=days) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt")
    assert {"certificate": mark} == amiss(findings)
    assert "renew it" in found(findings, "certificate").mend


async def test_a_certificate_that_nobody_trusts_is_named(patient: Patient, tmp_path: Path) -> None:
    """And nothing is asked over such a connection."""
    with before(patient, tmp_path) as nginx:
        findings = await patient.outside(nginx.https, None)
    assert "bad" == found(findings, "certificate").mark
    assert "fullchain.pem" in found(findings, "certificate").mend
    assert "ok" == found(findings, "TLS").mark
    assert {"bad"} == {one.mark.value for one in findings if one.looked_at in {"WebSocket", "long poll", "answer"}}


async def test_nobody_there_is_named(patient: Patient) -> None:
    """By each check that needs somebody."""
    findings = await patient.outside(f"https://127.0.0.1:{free_port()}", None)
    assert "ok" == found(findings, "DNS").mark
    assert {"bad"} == {one.mark.value for one in findings if one.looked_at != "DNS"}


async def test_an_ingest_that_all_can_reach_is_named(daemon: PrivateRelay, tmp_path: Path) -> None:
    """Workers' tokens guard it, and nothing else does."""
    patient = Patient(daemon)
    with before(patient, tmp_path, (ELSE, "    location / { proxy_pass http://RELAY; }")) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt")
    assert {"inner paths": "warn"} == amiss(findings)
    assert "keep it inside" in found(findings, "inner paths").mend


@pytest.mark.parametrize(("token", "words"), [("nonsense", "not valid"), ("stranger", "see this project")])
async def test_a_token_that_does_not_open_is_told_from_a_broken_way(
    patient: Patient, tmp_path: Path, token: str, words: str
) -> None:
    """With what the relay said, in each of the three ways."""
    project = "somebody-s"
    await patient.relay.publish(log(project, "mine"))
    patient.relay.wait_for_metric('relayd_broker_messages_total{type="workflow_log"}', 1)
    shown = patient.relay.token("stranger", projects=("other",)) if token == "stranger" else token
    with before(patient, tmp_path) as nginx:
        findings = await patient.outside(nginx.https, tmp_path / "relayd.crt", token=shown, project=project)
    assert {"WebSocket, first message", "event stream", "long poll"} == amiss(findings).keys()
    assert [] == [one.found for one in findings if one.looked_at in amiss(findings) and words not in one.found]
