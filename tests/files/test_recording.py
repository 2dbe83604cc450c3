import gzip
from pathlib import Path

import pytest

from relayd.files.recording import MAX_LINE, Survey, events_of, survey, writing
from relayd.protocol.codec import encode
from relayd.protocol.messages import WorkflowLog
from relayd.protocol.recording import VERSION, BadRecording, End, Head, write_line

HEAD = Head(version=VERSION, relayd="1.2.3", protocol=1, project_id="p")


def line(number: int, timestamp: float) -> WorkflowLog:
    """Return a line of log."""
    return WorkflowLog(project_id="p", timestamp=timestamp, level="info", message="m" * 50, id=f"c{number}")


EVENTS = [line(number, 100.0 + number) for number in range(500)]
END = End(events=len(EVENTS), whole=True)


def written(path: Path, events: list[WorkflowLog] = EVENTS) -> Path:
    """Write a recording."""
    with writing(path) as file:
        file.write(write_line(HEAD))
        for event in events:
            file.write(encode(event) + b"\n")
        file.write(write_line(End(events=len(events), whole=True)))
    return path


@pytest.mark.parametrize("name", ["r.ndjson", "r.ndjson.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    """Compressed or not, as often as one likes."""
    path = written(tmp_path / name)
    assert Survey(HEAD, END, 100.0, 599.0) == survey(path)
    assert EVENTS == list(events_of(path)) == list(events_of(path))


def test_the_name_says_how_it_is_written_and_the_bytes_how_it_is_read(tmp_path: Path) -> None:
    """A file that was unpacked on the way, and kept its name, is a recording still."""
    path = written(tmp_path / "r.gz")
    assert path.stat().st_size * 10 < len(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert 500 == survey(path).end.events


def test_the_same_events_are_the_same_bytes(tmp_path: Path) -> None:
    """No name and no time of writing is in the file."""
    first = written(tmp_path / "a.gz").read_bytes()
    assert first == written(tmp_path / "b.gz").read_bytes()
    # RFC 1952 2.3: flags, among them that of a name, and the time.
    assert bytes(5) == first[3:8]


def test_the_earliest_and_the_latest_time_are_found(tmp_path: Path) -> None:
    """Wherever they stand, for producers' clocks differ; nothing at all has none."""
    path = written(tmp_path / "r", [line(1, 50.0), line(2, 90.0), line(3, 10.0)])
    assert (10.0, 90.0) == (survey(path).first, survey(path).last)
    assert (0.0, 0.0) == (survey(written(path, [])).first, survey(path).last)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_compressed_file_that_was_cut_off_is_named(tmp_path: Path, share: float) -> None:
    """With the line that can't be read any more."""
    path = written(tmp_path / "r.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadRecording, match=r"line \d+: the compressed file is damaged or cut off .*; copy it again"):
        survey(path)


def test_a_compressed_file_that_was_changed_is_named(tmp_path: Path) -> None:
    """Its checksum tells, if nothing else does."""
    path = written(tmp_path / "r.gz")
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(whole)
    with pytest.raises(BadRecording, match="the compressed file is damaged"):
        survey(path)


def test_a_plain_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    """Also where the cut is between two lines."""
    path = written(tmp_path / "r")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(BadRecording, match="line 502: is missing: the recording was cut off"):
        survey(path)


def test_a_line_that_never_ends_is_no_recording(tmp_path: Path) -> None:
    """Nobody's file is read into memory as a whole."""
    path = tmp_path / "r"
    path.write_bytes(b'{"type":"relayd.recording",' + b" " * MAX_LINE)
    with pytest.raises(BadRecording, match="line 1: is longer than"):
        survey(path)


def test_what_broke_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    """A half recording never has its name."""
    path = written(tmp_path / "r.gz")
    before = path.read_bytes()

    def broken() -> None:
        with writing(path) as file:
            file.write(write_line(HEAD))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert [path] == list(tmp_path.iterdir())
    assert before == path.read_bytes()
