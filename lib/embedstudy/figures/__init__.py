"""Every chart of the study. ``enable`` turns the theme on and makes charts survive papermill."""

from embedstudy.figures.axes import CODES, ENCODERS, TABLES
from embedstudy.figures.comparisons import claims, deltas, slices, train_bytes
from embedstudy.figures.encoders import effects, parts, qualities, slopes
from embedstudy.figures.families import families
from embedstudy.figures.frontier import frontier
from embedstudy.figures.pictures import allocation, rows_picture, show_cardinality, show_skew
from embedstudy.figures.theme import enable, save_svg

__all__ = [
    "CODES",
    "ENCODERS",
    "TABLES",
    "allocation",
    "claims",
    "deltas",
    "effects",
    "enable",
    "families",
    "frontier",
    "parts",
    "qualities",
    "rows_picture",
    "save_svg",
    "show_cardinality",
    "show_skew",
    "slices",
    "slopes",
    "train_bytes",
]
