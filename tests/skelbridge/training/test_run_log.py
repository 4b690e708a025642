"""skelbridge.training.run_log: reading here, writing in run_check_log.py."""

import json
from pathlib import Path

import keras_backends
import pytest

from skelbridge.training.run_log import read_log

CHECKS = keras_backends.checks_of([Path(__file__).with_name("run_check_log.py")])
LINES = [{"step": 2, "seconds": 0.5, "total": 1.0}, {"step": 4, "seconds": 1.5, "total": 0.5}]
TEXT = "".join(json.dumps(line) + "\n" for line in LINES).encode()


@pytest.mark.parametrize("check", CHECKS)
def test_run(of_runs, check):
    of_runs(check)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEXT, 2),
        (TEXT[:-1], 2),
        (TEXT[:-3], 1),
        (TEXT[:5], 0),
        (b"", 0),
        (TEXT + b'{"step": 6', 2),
        (TEXT + b"\xff\xfe garbage \0\n" + TEXT, 2),
        (TEXT + b"[1]\n" + TEXT, 2),
        (TEXT + b"5\n", 2),
        (b'{"other": 1}\n' + TEXT, 0),
    ],
)
def test_cut_off_or_damaged(tmp_path, data, expected):
    (tmp_path / "log.jsonl").write_bytes(data)
    assert read_log(tmp_path) == LINES[:expected]


def test_none(tmp_path):
    assert read_log(tmp_path) == read_log(tmp_path / "none") == []
