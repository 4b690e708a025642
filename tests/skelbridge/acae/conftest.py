"""Synthetic people in several pseudo formats, and an ACAE fitted to them."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

import acae_poses

from skelbridge.acae import AcaeFit, FitOptions, fit_acae


@dataclass(frozen=True)
class People:
    """Poses of the same people in all formats: what a network predicts, and the truth."""

    formats: acae_poses.Formats
    poses: np.ndarray
    clean: np.ndarray

    def fit(self, given=None, **options) -> AcaeFit:
        """A quick fit, with mirror symmetry."""
        options = {"seeds": 1, "starts": 2, "rounds": 40, "steps": 100, **options}
        return fit_acae(
            self.poses if given is None else given,
            flip=self.formats.flip,
            sides=self.formats.sides,
            joint_names=self.formats.names,
            options=FitOptions(**options),
        )


def make_people(joints, count, seed=0):
    formats = acae_poses.make_formats(joints)
    rng = np.random.default_rng([seed, 7])
    clean = acae_poses.clean_poses(formats, count, rng)
    return People(formats, acae_poses.with_noise(clean, formats, rng), clean)


@pytest.fixture(scope="session")
def people():
    """1500 people, 136 joints of six formats."""
    return make_people(136, 1500)


@pytest.fixture(scope="session")
def few_joints():
    """800 people, 42 joints of two formats."""
    return make_people(42, 800)


@pytest.fixture(scope="session")
def many_formats():
    """900 people, 555 joints of 19 formats."""
    return make_people(555, 900)


@pytest.fixture(scope="session")
def fitted(people):
    """An ACAE of 32 latents."""
    return people.fit(sided=28, centre=4).acae
