"""One thread for small products."""

import sys

import numpy as np
import pytest

from skelbridge.acae.blas_threads import _openblas, one_blas_thread


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries are found on Linux")
def test_threads_are_one_inside_and_as_before_outside():
    found = _openblas()
    if not found:
        pytest.skip("numpy is built with another library than OpenBLAS")
    setter, getter = found[0]
    before = getter()
    setter(2)
    try:
        if getter() != 2:
            pytest.skip("OpenBLAS without threads")
        with pytest.raises(ValueError, match="inside"), one_blas_thread():
            assert getter() == 1
            assert (np.ones((3, 3)) @ np.ones((3, 3)) == 3).all()
            raise ValueError("inside")
        assert getter() == 2
    finally:
        setter(before)
