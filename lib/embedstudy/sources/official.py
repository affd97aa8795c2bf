"""Official files of public data sets, found in a folder the user names.

``python -m embedstudy.sources.official criteo --from DIR`` prepares one set into
``results/prepared/criteo``; ``--help`` lists the sets and where their files are had.
"""

import argparse
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from embedstudy.core.errors import StudyError
from embedstudy.core.paths import PREPARED
from embedstudy.sources import (
    avazu,
    beir,
    cranfield,
    criteo,
    frappe,
    gowalla,
    kdd12,
    movielens_official,
    sick,
    snli,
    sts_years,
    stsb,
)
from embedstudy.sources.raw_files import missing


@dataclass(frozen=True)
class Official:
    """A data set: ``prepare(directory, folder, **options)`` and the files it reads.

    Each entry of ``files`` is a set of names that suffices; ``a|b`` in it stands for either name.
    """

    prepare: Callable[..., dict]
    files: tuple[list[str], ...]
    source: str


OFFICIAL = {
    "criteo": Official(criteo.prepare, (criteo.FILES,), criteo.SOURCE),
    "avazu": Official(avazu.prepare, (avazu.FILES,), avazu.SOURCE),
    "kdd12": Official(kdd12.prepare, (kdd12.FILES,), kdd12.SOURCE),
    "movielens-1m": Official(
        movielens_official.prepare_1m,
        (movielens_official.FILES_1M,),
        movielens_official.SOURCE_1M,
    ),
    "movielens-20m": Official(
        movielens_official.prepare_20m,
        (movielens_official.FILES_20M,),
        movielens_official.SOURCE_20M,
    ),
    "frappe": Official(
        frappe.prepare,
        (frappe.FILES, frappe.RAW_FILES),
        f"{frappe.SOURCE}; or, for the rebuilt training split, {frappe.SOURCE_RAW}",
    ),
    "gowalla": Official(gowalla.prepare, (gowalla.FILES,), gowalla.SOURCE),
    "stsb": Official(stsb.prepare, (stsb.FILES,), stsb.SOURCE),
    **{
        f"sts{year % 100}": Official(
            partial(sts_years.prepare, year=year), (sts_years.names(year),), sts_years.SOURCE
        )
        for year in sts_years.SUBSETS
    },
    "sick": Official(sick.prepare, (sick.FILES,), sick.SOURCE),
    "snli": Official(snli.prepare, (snli.FILES,), snli.SOURCE),
    "scifact": Official(beir.prepare_scifact, (beir.FILES, beir.SCIFACT_FILES[:1]), beir.SCIFACT),
    "cranfield": Official(cranfield.prepare, (cranfield.FILES,), cranfield.SOURCE),
    "beir": Official(beir.prepare, (beir.FILES,), beir.SOURCE),
}


def _entry(name: str) -> Official:
    if name not in OFFICIAL:
        raise StudyError(
            f"There is no official data set {name!r}: use one of {', '.join(OFFICIAL)}."
        )
    return OFFICIAL[name]


def available(name: str, directory: Path | str | None) -> str | None:
    """``None`` if ``directory`` holds the files of ``name``, else one line: what is missing and
    where it is had, for a chapter to print and go on without the set."""
    entry = _entry(name)
    if directory is None or not Path(directory).is_dir():
        where = "no folder is named" if directory is None else f"there is no folder {directory}"
        return f"{name} is left out, {where}: it needs {_files(entry)}, {entry.source}."
    lacking = min((missing(Path(directory), files) for files in entry.files), key=len)
    if not lacking:
        return None
    return f"{name} is left out, {directory} lacks {', '.join(lacking)}: put there {entry.source}."


def _files(entry: Official) -> str:
    return " or else ".join(", ".join(files).replace("|", " or ") for files in entry.files)


def prepare(name: str, directory: Path | str, folder: Path | None = None, **options) -> dict:
    """Prepare data set ``name`` from the official files in ``directory``; return its specification.

    A set in BEIR's format may be a zip file instead of a directory. ``folder`` is
    ``results/prepared/<name>`` unless given; ``options`` are the loader's own. Raises
    ``StudyError`` when files are missing, damaged or not in the published format.
    """
    entry = _entry(name)
    if not Path(directory).exists():
        raise StudyError(
            f"There is no folder {directory}: name the one that holds {_files(entry)}."
        )
    return entry.prepare(Path(directory), folder or PREPARED / name, **options)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    listing = "\n".join(f"  {name}: {_files(entry)}" for name, entry in OFFICIAL.items())
    parser = argparse.ArgumentParser(
        prog="python -m embedstudy.sources.official",
        description="Prepare a public data set from its official files.",
        epilog=f"data sets and files:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="the data set")
    parser.add_argument("--from", dest="directory", required=True, help="folder with its files")
    parser.add_argument("--out", type=Path, help="folder to write, else results/prepared/NAME")
    parser.add_argument("--min-count", type=int, help="rarer values share a row")
    parser.add_argument("--seed", type=int, help="of the random split or the sampled negatives")
    chosen = parser.parse_args(arguments)
    options = {
        key: value
        for key, value in {"min_count": chosen.min_count, "seed": chosen.seed}.items()
        if value is not None
    }
    try:
        _check_options(chosen.name, options)
        spec = prepare(chosen.name, chosen.directory, chosen.out, **options)
    except (StudyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sizes = next(spec[key] for key in ("events", "pairs", "counts") if key in spec)
    sizes = ", ".join(f"{part} {count:,}" for part, count in sizes.items())
    print(f"{chosen.name} is prepared in {chosen.out or PREPARED / chosen.name}: {sizes}")
    return 0


def _check_options(name: str, options: dict) -> None:
    """Refuse an option that the loader of ``name`` has no use for."""
    known = inspect.signature(_entry(name).prepare).parameters
    useless = [f"--{key.replace('_', '-')}" for key in options if key not in known]
    if useless:
        raise StudyError(f"{name} has published splits and no counts: drop {', '.join(useless)}.")


if __name__ == "__main__":
    sys.exit(main())
