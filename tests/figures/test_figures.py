"""Charts say what the rows say: looked up in their Vega-Lite specifications."""

import json

import nbformat
import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from embedstudy import figures
from embedstudy.figures import theme


def row(method, label, budget, seed, auc, size, status="ok"):
    """One row of a grid on one data set."""
    quality = dict.fromkeys(("test_auc_hot", "test_auc_cold", "test_auc_unseen"), auc)
    return {
        "dataset": "toy",
        "backbone": "dcnv2",
        "family": "f",
        "method": method,
        "label": label,
        "budget": budget,
        "seed": seed,
        "status": status,
        "test_auc": auc,
        "serve_bytes": size,
        **quality,
    }


@pytest.fixture
def rows():
    return pl.DataFrame(
        [
            row("full", "full table", 1.0, 0, 0.80, 10_000),
            row("full", "full table", 1.0, 1, 0.82, 10_000),
            row("hash", "hash trick", 0.5, 0, 0.70, 5_000),
            row("hash", "hash trick", 0.5, 1, 0.74, 5_000),
            row("qr", "QR", 0.5, 0, 0.78, 4_900),
            row("qr", "QR", 0.1, 0, None, None, "infeasible"),
        ],
        infer_schema_length=None,
    )


def data(chart):
    """All inline data of a chart, as a list of lists of records."""
    return list(chart.to_dict()["datasets"].values())


def test_the_frontier_shows_means_ranges_the_full_table_and_the_front(rows):
    found = data(figures.frontier(rows))
    points = next(d for d in found if len(d) == 2)
    by_label = {point["label"]: point for point in points}
    assert by_label["hash trick"]["test_auc"] == pytest.approx(0.72)
    assert (by_label["hash trick"]["lowest"], by_label["hash trick"]["highest"]) == (0.70, 0.74)
    assert by_label["QR"]["front"]
    assert not by_label["hash trick"]["front"]
    reference = next(d for d in found if "full" in d[0])
    assert reference == [{"full": pytest.approx(0.81), "text": "full table 0.8100"}]


def test_axes_are_named_with_units(rows):
    text = json.dumps(figures.frontier(rows).to_dict())
    assert "bytes of the served file" in text
    assert "test AUC" in text


def test_slices_are_differences_to_the_full_table_of_the_same_seed(rows):
    points = max(data(figures.slices(rows)), key=len)
    hot = {p["label"]: p["delta"] for p in points if p["slice"] == "hot"}
    assert hot["QR"] == pytest.approx(-0.02)
    assert hot["hash trick"] == pytest.approx(-0.09)


def test_a_slice_that_was_never_measured_is_left_out(rows):
    unmeasured = rows.with_columns(test_auc_unseen=pl.lit(None, pl.String))
    points = max(data(figures.slices(unmeasured)), key=len)
    assert {p["slice"] for p in points} == {"hot", "cold"}


def test_names_are_told_apart_without_colour():
    names = [f"method {i}" for i in range(14)]
    _, shape, dash = (scale.to_dict()["range"] for scale in theme.look(names))
    looks = {(str(s), str(d), i % len(theme.COLOURS)) for i, (s, d) in enumerate(zip(shape, dash))}  # noqa: B905
    assert len(looks) == 14


def test_the_renderer_survives_nbformat_and_is_the_same_twice(rows):
    figures.enable()
    chart = figures.frontier(rows)
    first, second = chart._repr_mimebundle_(), chart._repr_mimebundle_()
    assert first == second
    content = first[0] if isinstance(first, tuple) else first
    assert content[theme.MIME]["$schema"].endswith("v5.json")
    cell = new_code_cell("", outputs=[new_output("display_data", content)])
    nbformat.validate(new_notebook(cells=[cell]))
    assert "NaN" not in json.dumps(content)


def test_svg_files_are_the_same_bytes(rows, tmp_path):
    for name in ("a", "b"):
        figures.save_svg(figures.frontier(rows), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"full table 0.8100" in (tmp_path / "a.svg").read_bytes()


def test_the_chart_of_families_names_the_front_and_leaves_out_what_failed(rows):
    found = data(figures.families(rows))
    named = [d for d in found if d and "place" in d[0]]
    assert [point["label"] for point in named[0]] == ["QR"]
    points = next(d for d in found if len(d) == 2 and "group" in d[0])
    assert {point["label"] for point in points} == {"hash trick", "QR"}
    assert any(d[0].get("text") == "full table 0.8100" for d in found if d)


def test_training_bytes_are_shown_as_multiples_of_the_table(rows):
    sizes = pl.Series([40_000, 40_000, 20_000, 20_000, 10_000, None])
    frame = rows.with_columns(train_bytes=sizes, full_bytes=pl.lit(10_000))
    points = next(d for d in data(figures.train_bytes(frame)) if "share" in d[0])
    assert {(p["label"], p["share"], p["full"]) for p in points} == {
        ("hash trick", 2.0, 4.0),
        ("QR", 1.0, 4.0),
    }


def test_an_allocation_is_drawn_a_panel_a_method():
    lines = [
        {"label": label, "field": "user", "start": 0.0, "end": 0.5, "dims": dims}
        for label, dims in (("MDE", 4.0), ("DNIS", 16.0))
    ]
    spec = figures.allocation(pl.DataFrame(lines), 16).to_dict()
    assert spec["facet"]["sort"] == ["MDE", "DNIS"]
    assert spec["spec"]["encoding"]["color"]["scale"]["domain"] == [0, 16]
