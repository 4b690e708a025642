"""What follows from an outcome, and `results.json`."""

import json

import numpy as np
import pytest

from dataset_adapters.containers.errors import FileError
from skelbridge.reproduction import Outcome, evaluate, summary_lines, write_results
from skelbridge.reproduction.results import plain_numbers
from skeleton_defs import UserError


def test_outcome_is_evaluated(outcome):
    found = evaluate(outcome)
    assert set(found.scores) == set(outcome.predictions)
    assert set(found.comparisons) == {
        (seed, v) for seed in (3, 4) for v in ("output", "latent", "hybrid", "upper_bound")
    }
    output = found.comparisons[3, "output"]["measures"]["mpjpe_unlabelled"]
    assert output["percent"] == pytest.approx([-20, -20, -20])
    assert output["gap_closed"] == pytest.approx([0.8, 0.8, 0.8])
    bound = found.comparisons[3, "upper_bound"]["measures"]["mpjpe_unlabelled"]
    assert bound["percent"][0] == pytest.approx(-25) and np.isnan(bound["gap_closed"][0])
    ghost = found.batch_norm_comparisons["ghost", "with"]["measures"]["mpjpe_unlabelled"]
    assert ghost["percent"][0] == pytest.approx(20)
    # The planted improvement reaches those bars; 6 pictures per domain are too few.
    met = {check.text: check.met for check in found.checks}
    assert met["Unlabelled MPJPE"] and met["Labelled MPJPE"]
    assert met["Gap to the upper bound closed (unlabelled MPJPE)"]
    assert not met["Test pictures in the smallest domain"]
    lines = summary_lines(outcome, found)
    assert "of 8 bars are met" in lines[0] and len(lines) == 9


def test_same_numbers_make_same_bytes(outcome, changed, tmp_path):
    first = write_results(tmp_path, outcome).read_bytes()
    (tmp_path / "other").mkdir()
    other = changed(predictions=dict(reversed(outcome.predictions.items())))
    assert write_results(tmp_path / "other", other).read_bytes() == first
    slower = changed(machine={"seconds, all": 99.0, "when": np.datetime64("2020-01-01")})
    content = json.loads(write_results(tmp_path, slower).read_text())
    assert content["machine"] == {"seconds, all": 99.0, "when": "2020-01-01"}
    assert content["numbers_sha256"] == json.loads(first)["numbers_sha256"]
    better = changed(predictions=outcome.predictions | {(3, "output"): outcome.test.true})
    content = json.loads(write_results(tmp_path, better).read_text())
    assert content["numbers_sha256"] != json.loads(first)["numbers_sha256"]


def test_content_of_results(outcome, tmp_path):
    content = json.loads(write_results(tmp_path, outcome).read_text())
    numbers = content["numbers"]
    assert numbers["preset"] == "full" and numbers["seeds"] == [3, 4]
    assert numbers["test"]["labelled"]["synth_c"] == "coco_17"
    assert numbers["comparisons"]["3"]["output"]["measures"]["mpjpe_unlabelled"]["percent"] == [
        -20.0, -20.0, -20.0,
    ]  # fmt: skip
    cell = numbers["scores"]["4"]["output"]["cells"]["synth_a"]["smpl_24"]
    assert cell["is_labelled"] is True and cell["images"] == 6
    assert "per_image" not in numbers["scores"]["4"]["output"]
    assert numbers["verdict"][0]["found"] == {"3": 20.0, "4": 20.0}
    assert numbers["batch_norm"]["ghost"]["with"]["summary"]["mpjpe_labelled"] > 0
    assert content["configs"] == {"seed 3, control": "steps: 5 # <b>"}


@pytest.mark.parametrize(
    "value, plain",
    [(1.23456789, 1.2346), (-0.00001, 0.0), (float("nan"), None), (float("inf"), None),
     (np.float32(0.5), 0.5), (np.arange(2), [0, 1]), (True, True), ((1, "a"), [1, "a"]),
     ({1: {2: 3.00001}}, {"1": {"2": 3.0}}), (np.int64(3), 3)],
)  # fmt: skip
def test_plain_numbers(value, plain):
    found = plain_numbers(value)
    assert found == plain and str(found) == str(plain)


def test_missing_variants_leave_gaps_only(outcome, changed):
    only = {key: outcome.predictions[key] for key in [(3, "control"), (3, "output")]}
    found = evaluate(changed(predictions=only))
    assert set(found.comparisons) == {(3, "output")}
    assert not any(check.met for check in found.checks)  # Seed 4 is missing.
    one = evaluate(changed(predictions=only, seeds=(3,), relation=None, learning_curves={}))
    met = [check.text for check in one.checks if check.met]
    assert "Unlabelled MPJPE" in met and "Inconsistency of the formats" not in met
    assert evaluate(changed(predictions={})).scores == {}


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"predictions": {(3, "outptu"): 0}}, "outptu"),
        ({"predictions": {(5, "output"): 0}}, "5"),
        ({"batch_norm": {("ghost", "half"): 0}}, "half"),
        ({"learning_curves": {"output": []}}, "output"),
    ],
)
def test_unknown_keys_are_told(outcome, changed, fields, message):
    with pytest.raises(UserError, match=message):
        changed(**fields)


def test_least_outcome(test, tmp_path):
    outcome = Outcome("quick", (0,), test, {})
    numbers = json.loads(write_results(tmp_path, outcome).read_text())["numbers"]
    assert numbers["scores"] == {} and numbers["true_inconsistency"] is None
    assert summary_lines(outcome, evaluate(outcome))[0].startswith("Nothing to compare")


def test_folder_that_is_not_there_is_told(test, tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        write_results(tmp_path / "none", Outcome("quick", (0,), test, {}))
