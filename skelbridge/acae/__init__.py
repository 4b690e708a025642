"""The affine-combining autoencoder: latent points that every skeleton format is a mixture of.

`Acae` holds the two matrices and applies them, `fit_acae` fits them to poses; both need numpy
alone. Layers and losses for training networks are in `skelbridge.acae.nn`.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Acae": "matrices",
    "AcaeFit": "fitting",
    "FitOptions": "options",
    "Objective": "objective",
    "fit_acae": "fitting",
    "is_acae": "file",
}

__all__ = ["Acae", "AcaeFit", "FitOptions", "Objective", "fit_acae", "is_acae"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted(__all__)
