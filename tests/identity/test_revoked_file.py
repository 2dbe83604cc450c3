"""The list of revocations on disk; how a file is kept whole is tested in tests/files."""

from pathlib import Path

import pytest

from relayd.core.revocations import Revocation
from relayd.files.durable import DurableFile
from relayd.identity.revoked_file import BadRevocations, RevokedFile

ADA = Revocation(kind="user", name="ada ✓", at=1_700_000_000.123456, until=1_700_000_600.0)
TOKEN = Revocation(kind="token", name="t/1", at=2.5, until=3.5, taken_back=True)


@pytest.fixture
def file(tmp_path: Path) -> RevokedFile:
    """Give one beside a journal."""
    return RevokedFile.beside(tmp_path / "relayd.db")


async def test_what_is_written_is_read(file: RevokedFile) -> None:
    """To the last digit, beside the journal under a name of its own; nothing before anything was written."""
    assert [] == file.read()
    await file.write([ADA, TOKEN])
    assert [ADA, TOKEN] == RevokedFile(file.path).read()
    assert ["relayd.db.revocations"] == [one.name for one in file.path.parent.iterdir()]
    await file.write([])
    assert [] == file.read()


async def test_damage_is_an_error_with_its_mend(file: RevokedFile) -> None:
    """Nobody is let in again because a disk forgot."""
    await file.write([ADA])
    file.path.write_bytes(file.path.read_bytes()[:-1])
    with pytest.raises(BadRevocations, match="move it away"):
        file.read()


async def test_a_list_of_another_version_is_an_error(file: RevokedFile) -> None:
    """Whole, and in words that this one does not know."""
    await DurableFile(file.path, "revocations").write(b'[{"kind":"team","name":"red","at":1,"until":2}]')
    with pytest.raises(BadRevocations, match="another version"):
        file.read()


def test_a_list_that_may_not_be_read_is_an_error(file: RevokedFile) -> None:
    """Here because it is a folder."""
    file.path.mkdir()
    with pytest.raises(BadRevocations, match="let relayd read it"):
        file.read()


async def test_one_that_can_not_be_written_says_so(file: RevokedFile) -> None:
    """As the system does."""
    (file.path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        await file.write([TOKEN])
