"""The report: one page, whole, whatever was run."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from dataset_adapters.containers.errors import FileError
from skelbridge.reproduction import Outcome, evaluate, write_report
from skelbridge.reproduction.report_charts import learning_charts
from skelbridge.reproduction.report_page import interval, number, signed
from skelbridge.reproduction.report_pictures import example_png, projected

_EMPTY = {"meta", "img", "br"}


class _Page(HTMLParser):
    """Checks that tags are closed in order, and collects texts, pictures and tables."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.images, self.words, self.rows, self.row = [], [], [], [], None
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in _EMPTY:
            self.open.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if {"style", "title"} & set(self.open):
            return
        self.words.append(text)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += f" {text}"

    def row_of(self, head: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].strip() == head)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def whole(outcome, tmp_path_factory) -> str:
    path = write_report(tmp_path_factory.mktemp("report"), outcome, evaluate(outcome))
    assert path.name == "report.html"
    return path.read_text()


def test_page_is_whole_and_loads_nothing(whole):
    page = _Page(whole)
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", whole)
    assert "<script" not in whole and "url(" not in whole and "@import" not in whole
    # 2 pictures, 1 chart of scores, 5 learning curves.
    assert len(page.images) == 8
    for image in page.images:
        assert len(image["alt"]) > 20
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        assert Image.open(io.BytesIO(data)).size[0] > 400


def test_page_says_what_was_found(whole):
    page = _Page(whole)
    row = page.row_of("Unlabelled MPJPE")
    assert "✓ met" in row[1] and "at least 12 % lower" in row[2] and "20.0 % lower" in row[3]
    assert "✗ not met" in page.row_of("Test pictures in the smallest domain")[1]
    assert "−20.0 %" in page.row_of("MPJPE, unlabelled")[2]
    assert "of 8 bars are met in every seed" in page.text
    assert "Synthetic people only" in page.text and "A made-up outcome & nothing else." in page.text
    assert "steps: 5 # <b>" in page.text  # Shown as it is, not as HTML.
    assert "skelbridge reproduce mini --full" in page.text
    assert "Ghost, with inference-mode phase" in page.text


def test_labelled_cells_are_marked(whole):
    assert whole.count('class="labelled"') == 4 * 3 * 2 * 4  # cells, measures, seeds, variants


@pytest.mark.parametrize(
    "kept",
    [
        [],
        [(3, "separate")],
        [(3, "control"), (3, "output")],
        [(4, "separate"), (4, "latent")],
        [(3, "control"), (4, "output"), (4, "hybrid")],
        [(4, "control"), (4, "upper_bound")],
    ],
)
def test_missing_variants(outcome, changed, tmp_path, kept):
    predictions = {key: outcome.predictions[key] for key in kept}
    less = changed(predictions=predictions, batch_norm={}, learning_curves={}, configs={},
                   machine={}, commands=(), relation=None)  # fmt: skip
    page = _Page(write_report(tmp_path, less).read_text())
    assert "not measured" in page.text and "Not run:" in page.text
    assert len(page.images) == (3 if kept else 0)
    assert "nan" not in page.text.lower().split()


def test_one_seed_of_quick(outcome, changed, tmp_path):
    own = {key: value for key, value in outcome.predictions.items() if key[0] == 3}
    quick = changed(preset="quick", seeds=(3,), predictions=own, learning_curves={},
                    batch_norm={})  # fmt: skip
    page = _Page(write_report(tmp_path, quick).read_text())
    assert "this was “quick” with 1 seed" in page.text
    assert "Not run" not in page.text


def test_texts_are_escaped(outcome, changed, tmp_path):
    evil = "<script>alert(1)</script>\ud800"
    bare = {"predictions": {}, "batch_norm": {}, "learning_curves": {}}
    texts = {"notes": (evil,), "machine": {evil: evil}, "configs": {evil: evil}}
    other = changed(preset=evil, commands=(evil,), **texts, **bare)
    text = write_report(tmp_path, other).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    _Page(text)


def test_learning_charts(outcome, changed):
    charts = learning_charts(outcome)
    assert list(charts) == [
        "Separate heads: supervised 3D loss", "Separate heads: loss per domain",
        "Fine-tuning: supervised 3D loss", "Fine-tuning: consistency term",
        "Fine-tuning: total loss",
    ]  # fmt: skip
    odd = [{"images": 5, "total": None}, {"total": 1.0}, {"images": 32, "total": 0.5}]
    charts = learning_charts(changed(learning_curves={(3, "output"): odd, (3, "separate"): []}))
    assert list(charts) == ["Fine-tuning: total loss"]


def test_projection():
    intrinsics = np.array([[100.0, 0, 48], [0, 110, 40], [0, 0, 1]])
    pose = np.array([[0, 0, 2000.0], [200, -100, 1000], [5, 5, -10], [np.nan] * 3])
    found = projected(pose, intrinsics)
    np.testing.assert_allclose(found[:2], [[48, 40], [68, 29]])
    assert np.isnan(found[2:]).all()


def test_pictures_of_odd_predictions(test):
    """Behind the camera, far away, missing: drawn as far as they can be."""
    poses = {"behind": -test.true[0], "far": 1e6 * test.true[0],
             "missing": np.full_like(test.true[0], np.nan)}  # fmt: skip
    data = example_png(test, 0, poses)
    assert np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).std() > 5


@pytest.mark.parametrize(
    "value, text", [(1.25, "1.2"), (-3.06, "−3.1"), (-0.01, "0.0"), (None, "–"), (np.nan, "–")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_signs_and_intervals():
    assert [signed(v) for v in (1.0, -1.0, 0.01, np.nan)] == ["+1.0", "−1.0", "0.0", "–"]
    assert interval([0, -1.26, 2.0]) == "[−1.3, 2.0]"
    assert interval([0.5, 0.41, 0.6], 0, scale=100) == "[41, 60]"
    assert interval([0, np.nan, np.nan]) == ""


def test_folder_that_is_not_there_is_told(test, tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        write_report(tmp_path / "none", Outcome("quick", (0,), test, {}))
