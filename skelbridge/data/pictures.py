"""Pictures of examples, from several threads at a time."""

from __future__ import annotations

import copy
import threading

import numpy as np

from skeleton_defs import UserError

from ..store import Group, Store, rle

#: So many examples of a group are asked whether silhouettes are known.
_N_PROBED = 32


class PictureSource:
    """Reads the pictures and silhouettes of a store.

    Each thread has a `Store` of its own, since one may not be used by two threads at a time.
    """

    def __init__(self, store: Store):
        self._store = store
        self._of_thread = threading.local()
        self._has_masks: dict[Group, bool] = {}

    @property
    def store(self) -> Store:
        """The store for the calling thread."""
        own = getattr(self._of_thread, "store", None)
        if own is None:
            own = self._of_thread.store = copy.copy(self._store)
        return own

    def rgba(self, index: int) -> np.ndarray:
        """Returns the picture (height, width, 4) uint8 of an example, opaque.

        OpenCV moves four channels more than twice as fast as three.

        Raises:
          FileError: it is damaged or missing.
          UserError: the example has none.
        """
        import cv2

        store = self.store
        data = store.image_bytes(index)
        image = None if data is None else _decoded(data)
        if image is not None:
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)
        image = store.image(index)  # One that was left in place; or this tells what is wrong.
        if image is None:
            raise UserError(
                f"example {index} ({store[index].dataset}) has no picture to train on; "
                "leave its dataset out, or prepare it with images"
            )
        return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)

    def has_silhouettes(self, group: Group) -> bool:
        """Whether any of a few examples, evenly spaced over a group, has a silhouette.

        Others are taken to have none: looking for one costs a tenth of a crop.
        """
        if group not in self._has_masks:
            places = self._store.groups[group]
            few = places[:: -(-len(places) // _N_PROBED)]
            self._has_masks[group] = any(self.store[i].mask is not None for i in few)
        return self._has_masks[group]

    def silhouette(self, index: int) -> np.ndarray | None:
        """Returns an example's silhouette (height, width) uint8, 255 inside; None if unknown.

        Raises:
          UserError: it is damaged.
        """
        mask = self.store[index].mask
        if mask is None:
            return None
        try:
            return rle.decode(mask).astype(np.uint8) * np.uint8(255)
        except ValueError as error:
            raise UserError(f"example {index}: {error}; prepare its dataset again") from None


def _decoded(data: bytes) -> np.ndarray | None:
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
