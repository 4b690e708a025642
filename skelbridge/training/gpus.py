"""How long a training step would take on a GPU that is not here, from public figures."""

from __future__ import annotations

from dataclasses import dataclass

from skeleton_defs import UserError, suggestions


@dataclass(frozen=True)
class Gpu:
    """Figures of its maker's data sheet.

    Attributes:
      teraflops: 10^12 operations a second, float16 in matrix units, dense, float32 sums.
      gigabytes: 10^9 bytes of memory.
      gigabytes_per_second: from and to the memory.
    """

    teraflops: float
    gigabytes: float
    gigabytes_per_second: float


GPUS = {
    "T4": Gpu(65, 16, 320),
    "L4": Gpu(121, 24, 300),
    "V100": Gpu(125, 32, 900),
    "RTX3090": Gpu(71, 24, 936),
    "RTX4090": Gpu(165, 24, 1008),
    "A6000": Gpu(155, 48, 768),
    "A40": Gpu(150, 48, 696),
    "L40S": Gpu(362, 48, 864),
    "A100": Gpu(312, 80, 2039),
    "H100": Gpu(989, 80, 3350),
    "H200": Gpu(989, 141, 4800),
}
"""V100, A100, H100 and H200: the variants with the most memory, on boards for servers (SXM)."""

#: The supplement of arXiv 2212.14474 states about 2 days for
#: 400,000 steps of EfficientNetV2-S on an A40, and a step takes 3.2e12 operations. The
#: network waits for memory most of the time.
REFERENCE, UTILISATION = GPUS["A40"], 0.05
#: float32 takes so many times as long as float16: twice the bytes, half the operations a second.
FLOAT32_FACTOR = 2.0


def find_gpu(name: str) -> tuple[str, Gpu]:
    """Returns a GPU with its name as it is in the table; spaces, dashes and case do not count.

    Raises:
      UserError: it is not in the table.
    """
    wanted = "".join(c for c in name.upper() if c.isalnum()).removeprefix("NVIDIA")
    found = wanted if wanted in GPUS else wanted.removeprefix("GEFORCE")
    if found not in GPUS:
        raise UserError(
            f"no figures of a GPU named '{name}'.{suggestions(wanted, list(GPUS))} "
            f"There are: {', '.join(GPUS)}"
        )
    return found, GPUS[found]


def estimated_seconds(flops: float, gpu: Gpu, *, precision: str) -> float:
    """Returns the estimated seconds of a training step.

    The reference's time at `UTILISATION`, scaled by operations or by memory, whichever gains less.

    Args:
      flops: operations of the step, forward and backward; a multiplication and an addition are two.
      gpu: from `GPUS`.
      precision: dtype policy of the backbone.
    """
    on_reference = flops / (REFERENCE.teraflops * 1e12 * UTILISATION)
    gain = min(
        gpu.teraflops / REFERENCE.teraflops,
        gpu.gigabytes_per_second / REFERENCE.gigabytes_per_second,
    )
    return on_reference / gain * (FLOAT32_FACTOR if precision == "float32" else 1.0)
