"""A wheel is a zip file: it is opened and read, never imported, installed or executed."""

import io
import zipfile
from pathlib import Path

import polars as pl

from embedstudy.core.errors import StudyError
from embedstudy.sources.core.raw_files import ZIP_ERRORS


class Wheel:
    """A wheel opened for reading; use as a context manager.

    Raises ``StudyError`` naming the file when it is missing, truncated, corrupt or lacks a member.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise StudyError(f"{self.path} is missing: `make data` fetches it.") from None
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise self._broken(error) from None

    def __enter__(self) -> "Wheel":
        return self

    def __exit__(self, *exception) -> None:
        self._zip.close()

    def _broken(self, error: Exception) -> StudyError:
        return StudyError(
            f"{self.path} is truncated or corrupt ({error}): `make data` fetches it again."
        )

    def names(self, suffix: str = "") -> list[str]:
        """The members whose name ends in ``suffix``, sorted."""
        return sorted(name for name in self._zip.namelist() if name.endswith(suffix))

    def read(self, name: str) -> bytes:
        """The bytes of one member, its checksum verified."""
        try:
            return self._zip.read(name)
        except KeyError:
            raise StudyError(
                f"{self.path} holds no {name}: it is not the pinned version; run `make data`."
            ) from None
        except ZIP_ERRORS as error:
            raise self._broken(error) from None

    def read_parquet(self, name: str) -> pl.DataFrame:
        """One Parquet member as a data frame."""
        try:
            return pl.read_parquet(io.BytesIO(self.read(name)))
        except pl.exceptions.ComputeError as error:
            raise StudyError(f"{name} in {self.path} is not readable Parquet ({error}).") from None
