"""The losses as plain numpy loops over examples and joints, in float64."""

import numpy as np


def mean(numbers):
    return float(np.mean(numbers)) if len(numbers) else 0.0


def mean_relative(predicted, true, mask):
    numbers = []
    for p, g, m in zip(predicted, true, mask, strict=True):
        if m.any():
            difference = (g[m] - g[m].mean(axis=0)) - (p[m] - p[m].mean(axis=0))
            numbers.extend(np.abs(difference).ravel() / 1000)
    return mean(numbers)


def to_image(point, k):
    return (k @ (point / max(point[2], 1)))[:2] + k[:2, 2] * (1 - point[2] / max(point[2], 1))


def image_term(p, g, crop, zone, stride):
    """Absolute differences of two image points, or None where they do not count."""
    low, high = zone
    if not ((p >= low) & (p <= high)).all():
        return None
    if not ((g >= low - 20 * stride) & (g <= high + 20 * stride)).all():
        return None
    return np.abs(p - g) * 2.2 / crop


def projection(predicted, true, k, mask, crop, zone, stride):
    numbers = []
    for b, j in zip(*np.nonzero(mask), strict=True):
        if true[b, j, 2] <= 300 or predicted[b, j, 2] <= 1:
            continue
        points = to_image(predicted[b, j], k[b]), to_image(true[b, j], k[b])
        term = image_term(*points, crop, zone, stride)
        numbers.extend([] if term is None else term)
    return mean(numbers)


def absolute(predicted, true, mask):
    numbers = []
    for b, j in zip(*np.nonzero(mask), strict=True):
        if true[b, j, 2] > 300:
            error = np.abs(predicted[b, j] - true[b, j]) / 1000
            error[2] *= min(1, 10_000 / abs(true[b, j, 2]))
            numbers.extend(error)
    return mean(numbers)


def weak_2d(predicted, true2d, k, mask, averages, crop, zone, stride):
    numbers = []
    for b, t in zip(*np.nonzero(mask), strict=True):
        if averages[t].any():
            joints = np.flatnonzero(averages[t])
            point = sum(averages[t, j] * to_image(predicted[b, j], k[b]) for j in joints)
            term = image_term(point, true2d[b, t], crop, zone, stride)
            numbers.extend([] if term is None else term)
    return mean(numbers)
