"""The free parameters of an ACAE: the five blocks of encoder and decoder as one vector."""

from __future__ import annotations

import numpy as np

from .chirality import ChiralLayout


class Parameters:
    """The free parameters of encoder and decoder as one vector, and views of their blocks.

    Every tensor's columns are scaled to sum 1, rows being counted as often as the mirror image
    repeats them: an encoder column [S; Q; C] once, a centre one [X; Z] with X twice. The decoder is
    held transposed, with the same roles of joints and latents exchanged.
    """

    def __init__(self, layout: ChiralLayout, *, dtype: type = np.float32):
        h, c, hl, cl = layout.pairs, layout.centre, layout.latent_pairs, layout.latent_centre
        self.layout = layout
        self.shapes = ((2 * h + c, hl), (h + c, cl), (2 * hl + cl, h), (hl + cl, c))
        sizes = [rows * columns for rows, columns in self.shapes]
        self.bounds = np.concatenate([[0], np.cumsum(sizes)])
        self.vector = np.zeros(self.bounds[-1], dtype)
        self.tensors = self.views(self.vector)
        #: Per tensor: how often a row counts in a column's sum; how often the full matrix has it.
        twice = [np.repeat([2.0, 1.0], n)[:, None].astype(dtype) for n in ((h, c), (hl, cl))]
        ones = [np.ones((self.shapes[i][0], 1), dtype) for i in (0, 2)]
        self.in_sum = (ones[0], twice[0], ones[1], twice[1])
        self.copies = (2 * ones[0], twice[0], 2 * ones[1], twice[1])

    def views(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns the four tensors of a vector."""
        return tuple(
            vector[self.bounds[i] : self.bounds[i + 1]].reshape(shape)
            for i, shape in enumerate(self.shapes)
        )

    def set(self, w1: np.ndarray, w2: np.ndarray) -> None:
        """Takes over full matrices in the layout's order, averaged with their mirror images."""
        encoder, decoder = self.layout.blocks(w1), self.layout.blocks(w2.T)
        parts = (
            (encoder["S"], encoder["Q"], encoder["C"]),
            (encoder["X"], encoder["Z"]),
            (decoder["S"].T, decoder["Q"].T, decoder["X"].T),
            (decoder["C"].T, decoder["Z"].T),
        )
        for tensor, blocks in zip(self.tensors, parts, strict=True):
            tensor[...] = np.concatenate(blocks)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns (w1, w2) in the layout's order, float64, columns scaled to sum 1."""
        h, hl = self.layout.pairs, self.layout.latent_pairs
        first, second, third, fourth = (t.astype(np.float64) for t in self.tensors)
        w1 = self.layout.assemble(
            first[:h], first[h : 2 * h], first[2 * h :], second[:h], second[h:]
        )
        w2 = self.layout.assemble(
            third[:hl].T, third[hl : 2 * hl].T, fourth[:hl].T, third[2 * hl :].T, fourth[hl:].T
        ).T
        return w1 / w1.sum(axis=0), w2 / w2.sum(axis=0)
