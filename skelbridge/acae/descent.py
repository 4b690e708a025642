"""Adam on the true objective, in free parameters, with a gradient written by hand.

Mirror symmetry is used twice: only the five free blocks are parameters, and the products run on
half sums and half differences of mirror partners, which do not mix (a third of the multiplications
less, and smaller factors).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .batches import Batches
from .chirality import ChiralLayout
from .objective import MIN_DEPTH, Objective

_BETA1 = np.float32(0.9)
_EPSILON = np.float32(1e-7)
_SIGN_BIT = np.uint32(0x80000000)


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


class Adam:
    """Adam as Keras has it, on the parameters' vector."""

    def __init__(self, parameters: Parameters, *, beta2: float = 0.999):
        self.vector = parameters.vector
        self.mean = np.zeros_like(self.vector)
        self.square = np.zeros_like(self.vector)
        self._scratch = np.empty_like(self.vector)
        self._beta2 = beta2
        self.steps = 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Moves the parameters; the gradient is used up."""
        self.steps += 1
        beta2 = self.vector.dtype.type(self._beta2)
        correction = np.sqrt(1 - self._beta2**self.steps) / (1 - float(_BETA1) ** self.steps)
        scratch = self._scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - beta2
        self.square *= beta2
        self.square += scratch
        self.mean *= _BETA1
        gradient *= 1 - _BETA1
        self.mean += gradient
        np.sqrt(self.square, out=scratch)
        scratch += _EPSILON
        np.divide(self.mean, scratch, out=scratch)
        scratch *= self.vector.dtype.type(rate * correction)
        self.vector -= scratch


def cosine_rate(step: int, steps: int, peak: float, *, warm_up: float = 0.05) -> float:
    """Returns the rate of a step: a linear rise, then a cosine to zero."""
    rise = max(int(warm_up * steps), 1)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + np.cos(np.pi * (step - rise) / max(steps - rise, 1)))


def errors_per_pose(parameters: Parameters, objective: Objective, batches: Batches) -> np.ndarray:
    """Returns the (N,) main term of each pose."""
    gradient = Gradient(parameters, objective)
    gradient.normalize()
    pieces = zip(batches.inputs, batches.targets, batches.weights, strict=True)
    return np.concatenate([gradient.errors(*piece) for piece in pieces])


def descend(
    parameters: Parameters,
    objective: Objective,
    batches: Iterator[tuple[np.ndarray, ...]],
    rates: Iterator[float],
    *,
    beta2: float,
) -> Iterator[int]:
    """Makes one Adam step per rate; yields the number of steps made after each."""
    gradient, adam = Gradient(parameters, objective), Adam(parameters, beta2=beta2)
    for step, (rate, batch) in enumerate(zip(rates, batches, strict=False), 1):
        gradient.compute(*batch)
        adam.step(gradient.vector, rate)
        yield step
