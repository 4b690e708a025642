"""Where parts and shares of a batch lie, and two replicas against one process."""

from pathlib import Path

import keras_backends
import numpy as np
import pytest

from skelbridge.training.config_file import config_of
from skelbridge.training.distribution import OneReplica, replica_slots
from skeleton_defs import UserError

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("replica_check_*.py"))
SLOW_FILES = sorted(HERE.glob("slow_replica_check_*.py"))


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory):
    return results_of(FILES, tmp_path_factory.mktemp("replicas"))


@pytest.fixture(scope="module")
def slowly_on_two_devices(tmp_path_factory):
    return results_of(SLOW_FILES, tmp_path_factory.mktemp("replicas"))


def results_of(files, folder):
    results = keras_backends.run_on_backends(files, folder, ["tensorflow"])
    return lambda check: keras_backends.numbers_of(results, "tensorflow", check)


@pytest.mark.parametrize("check", keras_backends.checks_of(FILES))
def test_two_replicas(on_two_devices, check):
    on_two_devices(check)


@pytest.mark.slow
@pytest.mark.parametrize("check", keras_backends.checks_of(SLOW_FILES))
def test_runs_of_two_replicas(slowly_on_two_devices, check):
    slowly_on_two_devices(check)


def config(n_3d=12, n_2d=4, **changes):
    base = {
        "data": {"formats": ["coco_17"], "three_d": {"a": n_3d}, "two_d": {"b": n_2d}},
        "store": "nowhere",
    }
    return config_of(base, changes=[f"{k.replace('__', '.')}={v}" for k, v in changes.items()])


def test_slots_of_replicas():
    assert replica_slots(config(), 0, 2).tolist() == [0, 1, 2, 3, 4, 5, 12, 13]
    assert replica_slots(config(), 1, 2).tolist() == [6, 7, 8, 9, 10, 11, 14, 15]
    assert OneReplica().slots(config()).tolist() == list(range(16))


@pytest.mark.parametrize("pieces", [1, 2])
def test_shares_are_a_partition(pieces):
    settings = config(optimizer__accumulate=pieces)
    shares = [replica_slots(settings, i, 2) for i in range(2)]
    assert sorted(np.concatenate(shares)) == list(range(16))
    for share in shares:
        # A piece after the other, and in each its 3D part before its 2D part.
        for piece, places in enumerate(np.split(share, pieces)):
            whole = settings.data.composition().share(piece, pieces)
            assert set(places) <= set(whole) and (np.diff(places) > 0).all()


def test_batches_that_cannot_be_shared():
    with pytest.raises(UserError, match="the 12 3D examples .* 5 replicas"):
        replica_slots(config(), 0, 5)
    with pytest.raises(UserError, match="the 4 2D examples .* among 8"):
        replica_slots(config(16, 4, optimizer__accumulate=2), 0, 4)
