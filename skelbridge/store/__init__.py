"""The example store: all datasets in one form on disk, made by `prepare`, read by `open_store`."""

from .batch import Batch
from .catalogue import Group
from .filling import PrepareReport
from .merging import check_checksums, merge_stores
from .preparing import prepare
from .reading import Store, open_store
from .writing import ShardSource, write_blocks, write_store

__all__ = [
    "Batch",
    "Group",
    "PrepareReport",
    "ShardSource",
    "Store",
    "check_checksums",
    "merge_stores",
    "open_store",
    "prepare",
    "write_blocks",
    "write_store",
]
