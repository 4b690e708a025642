"""The true objective's gradient by the free parameters, written by hand.

The products run on half sums and half differences of mirror partners, which do not mix: a third of
the multiplications less, and smaller factors.
"""

from __future__ import annotations

import numpy as np

from .objective import MIN_DEPTH, Objective
from .parameters import Parameters

_SIGN_BIT = np.uint32(0x80000000)


class Gradient:
    """Computes the gradient of the objective by the raw parameters, for one batch after another."""

    def __init__(self, parameters: Parameters, objective: Objective):
        self.parameters = parameters
        self.dtype = parameters.vector.dtype
        self.vector = np.zeros_like(parameters.vector)
        self.tensors = parameters.views(self.vector)
        self._normal_vector = np.zeros_like(parameters.vector)
        self._normal = parameters.views(self._normal_vector)
        self._scratch = np.zeros_like(parameters.vector)
        self._products = parameters.views(self._scratch)
        layout = parameters.layout
        encoder, decoder = objective.entry_costs(layout.joints, layout.latents)
        costs = (encoder, encoder, decoder, decoder)
        self._l1 = np.empty_like(parameters.vector)
        for view, copies, cost in zip(
            parameters.views(self._l1), parameters.copies, costs, strict=True
        ):
            view[...] = copies * cost
        self._ones = [np.ones((1, rows), self.dtype) for rows, _ in parameters.shapes]
        h, c, hl, cl = layout.pairs, layout.centre, layout.latent_pairs, layout.latent_centre
        self._even1, self._odd1 = self._empty(h + c, hl + cl), self._empty(h, hl)
        self._even2, self._odd2 = self._empty(hl + cl, h + c), self._empty(hl, h)
        self._buffers: dict[int, tuple[np.ndarray, ...]] = {}

    def _empty(self, *shape: int) -> np.ndarray:
        return np.empty(shape, self.dtype)

    def compute(self, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Sets `tensors` to the gradient on one batch of `Batches`."""
        factors = self.normalize()
        h = self.parameters.layout.pairs
        rebuilt, grad_even, grad_odd, scratch = self._buffers_for(inputs)
        even, odd, latents_even, latents_odd = self._rebuild(inputs, rebuilt)
        _main_gradient(
            rebuilt.reshape(inputs.shape), targets, weights, scratch.reshape(inputs.shape)
        )
        left, right = rebuilt[:, :h], rebuilt[:, h : 2 * h]
        np.add(left, right, out=grad_even[:, :h])
        np.subtract(left, right, out=grad_odd)
        grad_even[:, h:] = rebuilt[:, 2 * h :]
        self._collect(
            even.T @ (grad_even @ self._even2.T),
            odd.T @ (grad_odd @ self._odd2.T),
            latents_even.T @ grad_even,
            latents_odd.T @ grad_odd,
        )
        self._through_normalization(factors)

    def errors(self, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Returns the (B,) main term of each pose of a batch; call `normalize` before."""
        rebuilt, _, _, scratch = self._buffers_for(inputs)
        self._rebuild(inputs, rebuilt)
        points, residual = rebuilt.reshape(inputs.shape), scratch.reshape(inputs.shape)
        if len(targets) == 2:
            depth = np.maximum(points[2], points.dtype.type(MIN_DEPTH))
            points, residual = np.divide(points[:2], depth, out=points[:2]), residual[:2]
        np.abs(np.subtract(points, targets, out=residual), out=residual)
        residual *= weights
        return residual.sum(axis=2, dtype=np.float64).mean(axis=0)

    def _buffers_for(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        rows, joints, h = 3 * inputs.shape[1], inputs.shape[-1], self.parameters.layout.pairs
        if rows not in self._buffers:
            shapes = ((rows, joints), (rows, joints - h), (rows, h), (rows, joints))
            self._buffers[rows] = tuple(self._empty(*shape) for shape in shapes)
        return self._buffers[rows]

    def _rebuild(self, inputs: np.ndarray, rebuilt: np.ndarray) -> tuple[np.ndarray, ...]:
        """Writes the rebuilt joints in the layout's order; returns the parts of both stages."""
        h, joints = self.parameters.layout.pairs, inputs.shape[-1]
        flat = inputs.reshape(-1, joints)
        even, odd = flat[:, : joints - h], flat[:, joints - h :]
        latents_even, latents_odd = even @ self._even1, odd @ self._odd1
        rebuilt_even, rebuilt_odd = latents_even @ self._even2, latents_odd @ self._odd2
        np.add(rebuilt_even[:, :h], rebuilt_odd, out=rebuilt[:, :h])
        np.subtract(rebuilt_even[:, :h], rebuilt_odd, out=rebuilt[:, h : 2 * h])
        rebuilt[:, 2 * h :] = rebuilt_even[:, h:]
        return even, odd, latents_even, latents_odd

    def normalize(self) -> list[np.ndarray]:
        """Takes over the parameters, columns scaled to sum 1; returns the factors."""
        factors = []
        parameters = self.parameters
        for raw, normal, in_sum in zip(
            parameters.tensors, self._normal, parameters.in_sum, strict=True
        ):
            factor = 1 / (in_sum.T @ raw)
            np.multiply(raw, factor, out=normal)
            factors.append(factor)
        self._split()
        return factors

    def _split(self) -> None:
        """Writes the matrices that act on half sums and on half differences of partners."""
        layout = self.parameters.layout
        h, hl = layout.pairs, layout.latent_pairs
        first, second, third, fourth = self._normal
        np.add(first[:h], first[h : 2 * h], out=self._even1[:h, :hl])
        np.subtract(first[:h], first[h : 2 * h], out=self._odd1)
        self._even1[h:, :hl] = first[2 * h :]
        np.multiply(second[:h], 2, out=self._even1[:h, hl:])
        self._even1[h:, hl:] = second[h:]
        np.add(third[:hl], third[hl : 2 * hl], out=self._even2[:hl, :h])
        np.subtract(third[:hl], third[hl : 2 * hl], out=self._odd2)
        self._even2[hl:, :h] = third[2 * hl :]
        np.multiply(fourth[:hl], 2, out=self._even2[:hl, h:])
        self._even2[hl:, h:] = fourth[hl:]

    def _collect(self, even1, odd1, even2, odd2) -> None:
        """Folds the gradients of the split matrices into those of the normalised blocks."""
        layout = self.parameters.layout
        h, hl = layout.pairs, layout.latent_pairs
        first, second, third, fourth = self.tensors
        np.add(even1[:h, :hl], odd1, out=first[:h])
        np.subtract(even1[:h, :hl], odd1, out=first[h : 2 * h])
        first[2 * h :] = even1[h:, :hl]
        np.multiply(even1[:h, hl:], 2, out=second[:h])
        second[h:] = even1[h:, hl:]
        np.add(even2[:hl, :h], odd2, out=third[:hl])
        np.subtract(even2[:hl, :h], odd2, out=third[hl : 2 * hl])
        third[2 * hl :] = even2[hl:, :h]
        np.multiply(even2[:hl, h:], 2, out=fourth[:hl])
        fourth[hl:] = even2[hl:, h:]

    def _through_normalization(self, factors: list[np.ndarray]) -> None:
        """Adds the l1 term's gradient, and turns all of it into that by the raw parameters."""
        scratch = self._scratch
        with_sign_of(self._normal_vector, self._l1, out=scratch)
        self.vector += scratch
        np.multiply(self.vector, self._normal_vector, out=scratch)
        for grad, product, in_sum, ones, factor in zip(
            self.tensors,
            self._products,
            self.parameters.in_sum,
            self._ones,
            factors,
            strict=True,
        ):
            grad -= in_sum * (ones @ product)
            grad *= factor


def with_sign_of(values: np.ndarray, sizes: np.ndarray, *, out: np.ndarray) -> None:
    """Writes sizes (not negative) with the signs of values: `copysign`, several times faster."""
    if values.dtype != np.float32:
        np.copysign(sizes, values, out=out)
        return
    bits = out.view(np.uint32)
    np.bitwise_and(values.view(np.uint32), _SIGN_BIT, out=bits)
    np.bitwise_or(bits, sizes.view(np.uint32), out=bits)


def _main_gradient(
    rebuilt: np.ndarray, targets: np.ndarray, weights: np.ndarray, scratch: np.ndarray
) -> None:
    """Replaces rebuilt joints (3, B, J) by the gradient of the main term by them."""
    sizes = weights / rebuilt.dtype.type(targets.shape[0] * targets.shape[1])
    if len(targets) == 3:
        rebuilt -= targets
        with_sign_of(
            rebuilt, np.ascontiguousarray(np.broadcast_to(sizes, rebuilt.shape[1:])), out=rebuilt
        )
        return
    plane, depth, seen = rebuilt[:2], rebuilt[2], scratch[:2]
    near = depth.min() < MIN_DEPTH
    clipped = depth < MIN_DEPTH if near else None
    if near:
        np.maximum(depth, rebuilt.dtype.type(MIN_DEPTH), out=depth)
    inverse = np.reciprocal(depth, out=depth)
    np.multiply(plane, inverse, out=seen)
    np.subtract(seen, targets, out=plane)
    inverse *= sizes
    with_sign_of(plane, inverse, out=plane)
    seen *= plane
    np.add(seen[0], seen[1], out=depth)
    np.negative(depth, out=depth)
    if near:
        depth[clipped] = 0
