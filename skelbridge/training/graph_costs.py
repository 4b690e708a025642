"""Operations and memory of a TensorFlow graph with static shapes, read off before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Their output is their first input's memory. (Variables are read in place.)
_ALIASES = {
    "ExpandDims", "Identity", "IdentityN", "PreventGradient", "ReadVariableOp", "Reshape",
    "Snapshot", "Squeeze", "StopGradient",
}  # fmt: skip
#: They may write to the memory of an input that nothing else needs.
_IN_PLACE = {
    "Add", "AddN", "AddV2", "BiasAdd", "Div", "Exp", "Maximum", "Minimum", "Mul", "Neg", "RealDiv",
    "Relu", "Relu6", "Relu6Grad", "ReluGrad", "Rsqrt", "SelectV2", "Sigmoid", "SigmoidGrad",
    "Softmax", "Sqrt", "Square", "SquaredDifference", "Sub", "Tanh",
}  # fmt: skip
_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}
_BACKWARD = {f"{name}Backprop{side}" for name in _CONVOLUTIONS for side in ("Input", "Filter")}


def needed_operations(graph: Any) -> list[Any]:
    """Returns what of a function's graph runs: what its results and side effects need, in order."""
    wanted, waiting = set(), [*(t.op for t in graph.outputs), *graph.control_outputs]
    while waiting:
        op = waiting.pop()
        if op not in wanted:
            wanted.add(op)
            waiting += [*(t.op for t in op.inputs), *op.control_inputs]
    return [op for op in graph.get_operations() if op in wanted]


def flops_of(operations: Sequence[Any]) -> int:
    """Returns the operations of all convolutions and matrix products, two per multiplication."""
    return sum(map(_flops, operations))


def _flops(op: Any) -> int:
    if op.type in _CONVOLUTIONS:
        images, kernel = op.outputs[0].shape, op.inputs[1].shape
    elif op.type in _BACKWARD:
        # The gradient of the output has the output's shape; each way multiplies as often.
        images = op.inputs[2].shape
        kernel = op.outputs[0].shape if op.type.endswith("Filter") else op.inputs[1].shape
    elif op.type in ("MatMul", "BatchMatMulV2"):
        transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
        inner = op.inputs[0].shape[-2 if transposed else -1]
        return 2 * _size(op.outputs[0].shape) * (inner or 0)
    else:
        return 0
    # Of a depth-wise kernel, the last but one axis is a channel of the output, too.
    depth = 1 if op.type.startswith("Depthwise") else kernel[2]
    return 2 * _size(images) * int(kernel[0]) * int(kernel[1]) * int(depth)


def memory_of(operations: Sequence[Any], *, kept: Sequence[Any]) -> tuple[list[int], int]:
    """Follows what is in memory while the operations run in their order.

    Args:
      operations: of the graph.
      kept: tensors that are still needed after the last one.

    Returns:
      Bytes after each operation, and the most at any time. What comes from outside the graph does
      not count.
    """
    owner = _owners(operations)
    last = {}
    for number, op in enumerate(operations):
        for tensor in op.inputs:
            last[owner[tensor.ref()]] = number
    last |= {owner[tensor.ref()]: len(operations) for tensor in kept}
    held: dict[Any, int] = {}
    after, total, most = [], 0, 0
    for number, op in enumerate(operations):
        given = {owner[t.ref()] for t in op.inputs}
        ends = [key for key in given if key in held and last[key] == number]
        for tensor in op.outputs:
            key = owner[tensor.ref()]
            if key != tensor.ref() or op.type in ("Const", "Placeholder"):
                continue
            size = _size(tensor.shape) * tensor.dtype.size
            if op.type in _IN_PLACE:
                taken = next((k for k in ends if held.get(k) == size), None)
                if taken is not None:
                    total -= held.pop(taken)
            held[key] = size
            total += size
        most = max(most, total)
        unused = [t.ref() for t in op.outputs if t.ref() in held and t.ref() not in last]
        for key in {*ends, *unused}:
            total -= held.pop(key, 0)
        after.append(total)
    return after, most


def _owners(operations: Sequence[Any]) -> dict[Any, Any]:
    """Maps tensors to those whose memory they are in."""
    owner: dict[Any, Any] = {}
    for op in operations:
        for tensor in op.inputs:
            owner.setdefault(tensor.ref(), tensor.ref())
        for i, tensor in enumerate(op.outputs):
            is_alias = op.type in _ALIASES and op.inputs
            source = op.inputs[i if op.type == "IdentityN" else 0] if is_alias else tensor
            owner[tensor.ref()] = owner.get(source.ref(), source.ref())
    return owner


def _size(shape: Any) -> int:
    """Number of elements; 0 where it is not known before."""
    return int(np.prod(shape.as_list(), dtype=np.int64)) if shape.is_fully_defined() else 0
