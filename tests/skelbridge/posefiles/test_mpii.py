import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import mpii


def test_real_file(samples):
    document = json.loads((samples / "mmpose_tests/mpii/test_mpii.json").read_text())
    assert mpii.matches(document)
    poses = mpii.parse("m.json", document)
    assert poses.positions.shape == (5, 16, 2)
    assert (poses.skeleton, poses.units, poses.leading) == ("mpii_16", "px", ("instance",))
    assert poses.positions[0, 0].tolist() == [804, 711]
    visible = np.array([person["joints_vis"] for person in document]) == 1
    np.testing.assert_array_equal(~np.isnan(poses.positions).any(axis=-1), visible)
    assert (~visible).sum() == 4
    assert poses.extras["image_id"][0] == "005808361.jpg"
    assert poses.extras["center"][0].tolist() == [966, 340]
    assert "counts pixels from 1" in poses.notes[0]


def _person(count=2):
    return {"joints": [[1, 2]] * count, "joints_vis": [1] * count, "image": "a.jpg"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "expected a list of people with joints, found an empty list"),
        ([_person(), 3], "[1]: expected an object, found the number 3"),
        ([_person(), _person(3)], "[1].joints has 3 joints where [0].joints has 2"),
        ([_person() | {"joints_vis": [1]}], "[0].joints_vis: expected 2 numbers, found 1"),
        ([_person() | {"joints": [[1, 2], [1]]}], "[0].joints[1] has 1 entries"),
        ([_person() | {"joints": None}], "[0].joints: expected a list of numbers, found null"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        mpii.parse("m.json", document)
    assert problem in str(error.value)


def test_fuzz(samples):
    document = json.loads((samples / "mmpose_tests/mpii/test_mpii.json").read_text())
    results = [
        assert_result_or_user_error(mpii.parse, "m.json", damaged)
        for damaged in document_mutations(document, 150)
    ]
    assert any(results)
