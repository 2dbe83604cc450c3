"""What is read from the reports, against a small report made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling.figures import ROWS, Reports, costs, frame_costs, reports


def sample(rate: int, viewers: int, cpu: float, frames: int, server: str = "relayd") -> dict[str, Any]:
    """Return one window of two seconds; a frame has 500 bytes."""
    figures = {"rate": rate, "viewers": viewers, "cpu": cpu, "frames": frames}
    return {"server": server, "seconds": 2.0, "bytes": frames * 500, **figures}


DELIVERY = {
    "samples": [
        *(sample(20, 1_000, cpu, 40_000) for cpu in (0.2, 0.3, 0.5)),
        *(sample(100, 1_000, cpu, 100_000) for cpu in (0.4, 0.5, 0.6)),
        sample(20, 1_000, 0.1, 40_000, "bare send loop (C)"),
        *(sample(20, 0, 0.1, 0) for _ in range(3)),
        *(sample(100, 0, 0.2, 0) for _ in range(3)),
    ]
}

LARGE = {
    "rate": 10_000,
    "idle": 0.001,
    "spread read": 0.22,
    "gathered read": 0.24,
    "payload µs": 15.0,
    "nginx µs": 7.0,
}
COMPANY = {**LARGE, "rate": 1_000, "spread read": 0.1, "gathered read": 0.2, "nginx µs": 9.0}

READ = Reports(
    {
        "delivery": DELIVERY,
        "ingest": {
            "tables": [
                {
                    "lines": [
                        [1, "bare aiormq loop", "25,000", "9"],
                        [1, "relayd", "16,000", "60.5"],
                        [100, "bare aiormq loop", "500,000", "9"],
                        [100, "relayd", "104,000", "9.25"],
                    ]
                }
            ]
        },
        "projects": {
            "title": "Many projects, 5,000 events/s in all",
            "tables": [{"lines": [["10", "9", "9", "9", "9", "9"], ["2,000", "70.0", "130", "10,000", "9", "9"]]}],
        },
        "memory": {"tables": [{"lines": [[1, 5_000, "73.0", "9", "6.1"], [2, 5_000, "75.0", "9", "6.3"]]}]},
        "storm": {
            "title": "Storm: 5,000 viewers reconnect",
            "tables": [{"lines": [[1, "3.1", "9", back] for back in ("8.0", "10.0", "40.0")]}],
        },
    },
    {"series": {"company": COMPANY, "large": LARGE}},
)


def test_a_frame_costs_what_viewers_add_by_the_median_of_the_runs() -> None:
    """(0.3 - 0.1) of two seconds for 40,000 frames; (0.5 - 0.2) of them for 100,000; the bare loop is another."""
    assert pytest.approx({20: 10.0, 100: 6.0}) == frame_costs(DELIVERY)


def test_every_cost_is_read_from_its_row() -> None:
    """Medians of what the tables say; the frame's is the dearest rate's."""
    found = costs(READ)
    assert pytest.approx(10.0) == found.frame_us
    assert 74.0 == found.empty_mib
    assert pytest.approx(6.2) == found.viewer_kib
    assert 500.0 == found.back_a_second
    assert 500.0 == found.sent_bytes
    assert 8.0 == found.nginx_us
    assert (40.0, 2.0) == (found.singly.broker_us, found.arrays.broker_us)
    assert 15.0 == found.arrays.payload_us


def test_reading_is_known_idle_at_a_pace_and_of_a_full_stream() -> None:
    """From the experiment, where both relays read; and from the report, a rate times what an event took."""
    found = costs(READ)
    assert [(0, 0.001), (1_000, pytest.approx(0.15)), (16_000, pytest.approx(0.968))] == list(found.singly.reading)
    assert [(0, 0.001), (10_000, pytest.approx(0.23)), (104_000, pytest.approx(0.962))] == list(found.arrays.reading)


def test_a_payload_costs_what_two_viewers_add_less_their_frames() -> None:
    """60 µs more for each of 5,000 events, of which each is one frame for a group and two, of 10 µs, for viewers."""
    assert pytest.approx(40.0) == costs(READ).singly.payload_us


def write(folder: Path, rows: dict[str, Any]) -> None:
    """Write a report as `make bench` does."""
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"rows": rows}))


def test_reports_are_read_from_both_places(tmp_path: Path) -> None:
    """The last run, and the experiment beside it."""
    write(tmp_path, {name: {"error": None} for name in ROWS})
    write(tmp_path / "scaling", {"replicas": {"error": None, "series": {}}})
    read = reports(tmp_path)
    assert set(ROWS) == set(read.rows)
    assert {} == read.replicas["series"]


@pytest.mark.parametrize("storm", [{}, {"storm": {"error": "RuntimeError: refused"}}])
def test_a_row_that_is_not_there_or_failed_is_named(tmp_path: Path, storm: dict[str, Any]) -> None:
    """A quick look at one row leaves a report that nothing can be reckoned from."""
    write(tmp_path, {name: {"error": None} for name in ROWS if name != "storm"} | storm)
    write(tmp_path / "scaling", {"replicas": {"error": None}})
    with pytest.raises(ValueError, match=r"made of rows that were not measured: storm; measure them with `make bench`"):
        reports(tmp_path)
