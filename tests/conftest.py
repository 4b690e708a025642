"""Shared fixtures."""

import os
from pathlib import Path

import pytest

#: Real files of other tools and datasets, kept outside the repository. Tests on them skip without.
SAMPLES = Path(
    os.environ.get("SKELBRIDGE_SAMPLES", Path(__file__).parents[2] / "shared" / "samples")
)


@pytest.fixture(scope="session")
def samples() -> Path:
    if not SAMPLES.is_dir():
        pytest.skip(f"no sample files (looked in {SAMPLES}; set SKELBRIDGE_SAMPLES)")
    return SAMPLES
