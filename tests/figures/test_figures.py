"""Charts say what the rows say: looked up in their Vega-Lite specifications."""

import json

import nbformat
import polars as pl
import pytest
from nbconvert import HTMLExporter
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
    frames = data(figures.frontier(rows))
    points = next(d for d in frames if len(d) == 2)
    by_label = {point["label"]: point for point in points}
    assert by_label["hash trick"]["test_auc"] == pytest.approx(0.72)
    assert (by_label["hash trick"]["lowest"], by_label["hash trick"]["highest"]) == (0.70, 0.74)
    assert by_label["QR"]["front"]
    assert not by_label["hash trick"]["front"]
    reference = next(d for d in frames if "full" in d[0])
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


def shown(chart):
    """What a notebook keeps of a chart, by type."""
    figures.enable()
    content = chart._repr_mimebundle_()
    return content[0] if isinstance(content, tuple) else content


def test_the_renderer_survives_nbformat_and_is_the_same_twice(rows):
    content = shown(figures.frontier(rows))
    assert content == shown(figures.frontier(rows))
    assert content[theme.MIME]["$schema"].endswith("v5.json")
    cell = new_code_cell("", outputs=[new_output("display_data", content)])
    nbformat.validate(new_notebook(cells=[cell]))
    assert "NaN" not in json.dumps(content)


def test_a_notebook_run_by_hand_holds_a_picture_that_nbconvert_shows(rows):
    content = shown(figures.frontier(rows))
    assert "full table 0.8100" in content["image/svg+xml"]
    cell = new_code_cell("", outputs=[new_output("display_data", content)])
    html, _ = HTMLExporter().from_notebook_node(new_notebook(cells=[cell]))
    assert "data:image/svg+xml;base64," in html


def test_the_pipeline_keeps_no_picture(rows, monkeypatch):
    monkeypatch.setenv("EMBEDSTUDY_PIPELINE", "1")
    assert set(shown(figures.frontier(rows))) == {theme.MIME, "text/plain"}


def test_svg_files_are_the_same_bytes(rows, tmp_path):
    for name in ("a", "b"):
        figures.save_svg(figures.frontier(rows), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"full table 0.8100" in (tmp_path / "a.svg").read_bytes()


def test_the_chart_of_families_names_the_front_and_leaves_out_what_failed(rows):
    frames = data(figures.families(rows))
    named = [d for d in frames if d and "place" in d[0]]
    assert [point["label"] for point in named[0]] == ["QR"]
    points = next(d for d in frames if len(d) == 2 and "group" in d[0])
    assert {point["label"] for point in points} == {"hash trick", "QR"}
    assert any(d[0].get("text") == "full table 0.8100" for d in frames if d)


def test_families_stand_in_the_catalogues_order_and_unlisted_ones_last(rows):
    family = pl.Series(["reference"] * 2 + ["zoo"] * 2 + ["fewer_bits", "baselines"])
    rows = rows.with_columns(family=family, label=pl.Series(list("aabbcd")), status=pl.lit("ok"))
    measured = rows.with_columns(
        pl.col("test_auc").fill_null(0.5), pl.col("serve_bytes").fill_null(9)
    )
    colour = next(
        layer["encoding"]["color"]
        for layer in figures.families(measured).to_dict()["vconcat"][0]["layer"]
        if "color" in layer.get("encoding", {})
    )
    assert colour["scale"]["domain"] == ["baselines", "fewer bits", "zoo"]


def test_one_line_is_dashed_and_a_published_one_dotted(rows):
    layers = figures.families(rows, published=0.9).to_dict()["vconcat"][0]["layer"]
    rules = [layer["mark"] for layer in layers if layer["mark"]["type"] == "rule"]
    assert [rule["strokeDash"] for rule in rules] == [[6, 4], [2, 3]]


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
