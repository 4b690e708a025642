"""Where the cells of a heatmap lie: in pixels of the crop, and in the metric cube.

Pixels: the centre of the crop's first pixel is (0, 0), so a crop of S pixels reaches from -0.5 to
S - 0.5. Cell i of a map of stride s is centred at

    x_i = first_cell + s * i

where `first_cell` depends on how the stride-2 convolutions pad. All at the far end (Keras' "same"
with even sizes): s - 1. All symmetrically: 0. All but the last at the far end and the last at the
near end: s/2 - 1, as all backbones of this package do it; the published networks do it the other
way round and have s/2. Both lie half a pixel from the exactly symmetric (s - 1)/2, which odd
kernels cannot reach: that half pixel is in the coordinates and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

#: Joints nearer to the outermost cell centres than this many cells count as outside of the crop.
#: Published: 0.75 strides from the border of the crop, where centres begin at 0.5 strides.
ZONE_MARGIN_CELLS = 0.25


@dataclass(frozen=True)
class HeatmapGrid:
    """The cells of a square crop's 2D and metric 3D heatmaps.

    Attributes:
      crop: side of the crop in px, a multiple of the stride.
      stride: distance of neighbouring cells in px.
      first_cell: px of the centre of the first cell, both axes; None for stride / 2 - 1.
      depth: number of cells D of the 3D heatmap along z.
      side_mm: distance of the outermost cell centres of the metric cube, one number or (x, y, z).
        The published network, 2200 mm at 256 px, spans (1925, 1925, 2200): its x and y are pixels
        times 2200 / 256. Predictions are relative to an unknown point, so the cube is centred at 0.
    """

    crop: int
    stride: int
    first_cell: float | None = None
    depth: int = 8
    side_mm: float | tuple[float, float, float] = 2200.0

    def __post_init__(self):
        if self.stride < 1 or self.crop < 2 * self.stride or self.crop % self.stride:
            raise UserError(
                "the side of the crop must be a multiple of the network's stride, at least twice. "
                f"Received crop {self.crop} px, stride {self.stride}"
            )
        if self.depth < 2:
            raise UserError(f"depth must be at least 2 cells. Received {self.depth}")
        sides = np.broadcast_to(np.asarray(self.side_mm, float), (3,))
        if not (np.isfinite(sides) & (sides > 0)).all():
            raise UserError(f"side_mm must be positive. Received {self.side_mm}")
        object.__setattr__(self, "side_mm", tuple(float(side) for side in sides))
        first = self.stride / 2 - 1 if self.first_cell is None else float(self.first_cell)
        object.__setattr__(self, "first_cell", first)

    @property
    def cells(self) -> int:
        """Number of cells along x, and along y."""
        return self.crop // self.stride

    @property
    def cell_px(self) -> np.ndarray:
        """(n,) px of the cell centres along x, and along y."""
        return self.first_cell + self.stride * np.arange(self.cells)

    def cell_mm(self, axis: int) -> np.ndarray:
        """Returns the mm of the cell centres along axis 0, 1 or 2, about the cube's centre."""
        count = self.depth if axis == 2 else self.cells
        return np.linspace(-self.side_mm[axis] / 2, self.side_mm[axis] / 2, count)

    @property
    def zone(self) -> tuple[float, float]:
        """Smallest and largest px of a joint that counts as inside of the crop, both axes.

        An expected value lies between the outermost cell centres: a joint outside of the crop is
        found at its border, and what is found at the border is not trusted.
        """
        margin = ZONE_MARGIN_CELLS * self.stride
        return self.cell_px[0] + margin, self.cell_px[-1] - margin
