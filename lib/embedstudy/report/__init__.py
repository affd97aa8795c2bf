"""The study as a web site that needs no server and no network: ``python -m embedstudy.report``."""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
