import errno
import os

import pytest

from embedstudy.core import files
from embedstudy.core.errors import StudyError


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "No space left on device. .* make room for it and start again to go on"),
        (errno.EROFS, "Read-only file system. .* allow writing there and start again to go on"),
        (errno.EACCES, "Permission denied. .* allow writing there"),
        (errno.EMFILE, "Too many open files. .* mend that and start again"),
    ],
)
def test_what_the_file_system_refuses_is_told_with_what_to_do(
    tmp_path, monkeypatch, number, remedy
):
    path = tmp_path / "rows.parquet"
    files.write_bytes(path, b"before")

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(StudyError, match=f"Cannot write .*rows.parquet: {remedy}"):
        files.write_bytes(path, b"after")
    assert [one.name for one in tmp_path.iterdir()] == ["rows.parquet"]
    assert path.read_bytes() == b"before"


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StudyError, match="move what stands in its way"):
        files.write_bytes(tmp_path / "results" / "tables" / "rows.parquet", b"")
