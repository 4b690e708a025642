"""skelbridge.training.checkpoints: complete or not there, and never taken for something else."""

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npz import write_npz_archive
from skelbridge.training import checkpoints
from skelbridge.training.checkpoints import (
    checkpoint_path,
    checkpoint_steps,
    load_checkpoint,
    remove_old,
    save_checkpoint,
)


class Variable:
    """What is asked of a `keras.Variable`."""

    def __init__(self, value, path):
        self.value, self.path = np.array(value), path

    shape = property(lambda self: self.value.shape)

    def numpy(self):
        return self.value

    def assign(self, value):
        assert value.shape == self.value.shape
        self.value = value


def variables(scale=1.0):
    return [
        Variable(np.float32([[1.5, -2.5]]) * np.float32(scale), "layer/kernel"),
        Variable(np.float32(0.1) * np.float32(scale), "adam/rate"),
        Variable(np.int64(7), "seed/state"),
    ]


@pytest.fixture
def saved(tmp_path):
    path = checkpoint_path(tmp_path, 12)
    save_checkpoint(path, variables(), {"step": 12, "log": {"sums": {"total": 0.1}}})
    return path


def test_what_is_saved_comes_back(saved):
    assert saved.name == "step_000000012.npz"
    found = variables(0.0)
    facts = load_checkpoint(saved, found)
    assert facts["step"] == 12 and facts["log"] == {"sums": {"total": 0.1}}
    assert facts["names"] == ["layer/kernel", "adam/rate", "seed/state"]
    for new, old in zip(found, variables(), strict=True):
        assert new.value.tobytes() == old.value.tobytes() and new.value.dtype == old.value.dtype


def test_the_network_alone(saved):
    found = variables(0.0)
    load_checkpoint(saved, found[:1])
    assert found[0].value[0, 0] == 1.5 and found[1].value == 0


def test_equal_variables_make_equal_files(saved, tmp_path):
    again = tmp_path / "again.npz"
    save_checkpoint(again, variables(), {"step": 12, "log": {"sums": {"total": 0.1}}})
    assert again.read_bytes() == saved.read_bytes()


def archive(path, header=None, **arrays):
    if header is not None:
        arrays["header"] = np.array(header)
    write_npz_archive(path, arrays)


GOOD = '{"format": "skelbridge-checkpoint", "version": 1}'


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.unlink(), "cannot be opened"),
        (lambda p: p.write_bytes(b""), "expected an .npz file"),
        (lambda p: p.write_bytes(p.read_bytes()[:-30]), "cut off or of another kind"),
        (lambda p: p.write_bytes(p.read_bytes()[:200]), "cut off or of another kind"),
        (lambda p: p.write_bytes(b"garbage" * 99), "expected an .npz file"),
        (lambda p: archive(p, w1=np.eye(2)), "expected a checkpoint"),
        (lambda p: archive(p, "no JSON"), "expected a checkpoint of skelbridge"),
        (lambda p: archive(p, "[" * 99_999), "expected a checkpoint of skelbridge"),
        (lambda p: archive(p, '{"format": "other"}'), "expected a checkpoint of skelbridge"),
        (lambda p: archive(p, GOOD.replace("1", "2")), "expected version 1, found 2"),
        (lambda p: archive(p, GOOD), "expected layer/kernel of shape (1, 2), found nothing"),
        (lambda p: archive(p, GOOD, v00000=np.ones((2, 1))), "found float64 of shape (2, 1)"),
        (lambda p: archive(p, GOOD, v00000=np.array([["a", "b"]])), "found <U1 of shape (1, 2)"),
    ],
)
def test_damaged_or_foreign(saved, make, message):
    make(saved)
    found = variables()
    with pytest.raises(FileError) as caught:
        load_checkpoint(saved, found)
    assert message in str(caught.value) and str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)
    for new, old in zip(found, variables(), strict=True):
        np.testing.assert_array_equal(new.value, old.value)


def test_nothing_is_set_by_a_checkpoint_that_lacks_the_last_variable(saved):
    found = [*variables(3.0), Variable(np.zeros(2), "more")]
    with pytest.raises(FileError, match="expected more of shape"):
        load_checkpoint(saved, found)
    np.testing.assert_array_equal(found[0].value, variables(3.0)[0].value)


def test_mutations(saved):
    data = saved.read_bytes()
    for mutated in mutations(data, 150):
        saved.write_bytes(mutated)
        assert_result_or_user_error(load_checkpoint, saved, variables())


def test_interrupted_while_writing(tmp_path, monkeypatch):
    path = checkpoint_path(tmp_path, 3)
    save_checkpoint(path, variables(), {})
    before = path.read_bytes()

    def interrupted(file, arrays):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "write_npz_archive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, variables(2.0), {})
    assert path.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == [path.name]


def test_which_are_there_and_which_stay(tmp_path):
    assert checkpoint_steps(tmp_path / "none") == []
    for name in ("step_1.npz", ".step_000000009.abc.npz", "step_000000009.npz.part", "x.npz"):
        (tmp_path / name).touch()
    assert checkpoint_steps(tmp_path) == []
    assert checkpoint_steps(tmp_path / "x.npz") == []
    for step in (5, 100, 20, 7):
        checkpoint_path(tmp_path, step).touch()
    assert checkpoint_steps(tmp_path) == [5, 7, 20, 100]
    remove_old(tmp_path, keep=2, always=[7, 55])
    assert checkpoint_steps(tmp_path) == [7, 20, 100]
    remove_old(tmp_path, keep=9)
    assert checkpoint_steps(tmp_path) == [7, 20, 100]
