"""What an adapter is: a table of facts about one dataset, and how to read its files."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from skeleton_defs import UserError

from .examples import Example, ExampleBlock
from .frame_rules import NO_THINNING, BoneLimits, Thinning


@dataclass(frozen=True)
class Item:
    """Something that must (or may) be found below a dataset's root.

    Attributes:
      pattern: path pattern relative to the root (`*` and `**` as in `Path.glob`).
      what: what it is and what it is needed for.
      download: where it comes from: the archive's name, or how it is made.
      required: whether nothing can be read without it.
    """

    pattern: str
    what: str
    download: str = ""
    required: bool = True


@dataclass(frozen=True)
class Defect:
    """A known defect or trap of a dataset, and what the adapter does about it."""

    problem: str
    treatment: str


@dataclass(frozen=True)
class DatasetInfo:
    """The facts about a dataset that its page shows.

    Attributes:
      name: the adapter's name.
      title: full name.
      kind: `3D, markerless`, `3D, marker-based`, `3D, synthetic`, `2D`, `motion` or `custom`.
      homepage: where its owners offer it.
      licence: one line.
      access: how to get it (registration, agreement).
      paper: authors, venue, year.
      skeletons: formats that its examples come in, the default first.
      splits: those that exist.
      tree: the expected folders and files below the root, as text.
      items: what `check` looks for.
      defects: what is known to be wrong with it.
      thinning: which frames to store.
      bone_limits: which joints `prepare` takes for missing; None where it takes them as they are.
      box_expansion: factor on the box around the projected joints, where no box is given.
      boxes_within_masks: whether `prepare` ends such a box where the person's silhouette ends.
      has_images: False for motion data.
      facts: further lines for the page.
    """

    name: str
    title: str
    kind: str
    homepage: str
    licence: str
    access: str
    paper: str
    skeletons: tuple[str, ...]
    splits: tuple[str, ...]
    tree: str
    items: tuple[Item, ...]
    defects: tuple[Defect, ...] = ()
    thinning: Thinning = NO_THINNING
    bone_limits: BoneLimits | None = None
    box_expansion: float = 1.15
    boxes_within_masks: bool = False
    has_images: bool = True
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Source:
    """The unit of reading: what can be read on its own (a sequence, an annotation file, a part).

    Attributes:
      split: the split of all its examples.
      key: what the adapter finds it by; unique within the split, free of machine paths.
    """

    split: str
    key: str


@dataclass(frozen=True)
class Finding:
    """What `check` found of one `Item`: the number of paths, and one of them."""

    item: Item
    count: int
    first: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether something required is not there."""
        return self.item.required and self.count == 0


def option(default: Any, text: str) -> Any:
    """Declares an option of an adapter: a dataclass field with a line for its page."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Adapter(abc.ABC):
    """Reads one dataset as its owners distribute it.

    A subclass is a frozen dataclass: its fields are its options. It sets `info` and implements
    `sources` and `read`. Examples come in a fixed order that depends on the files alone.
    """

    info: ClassVar[DatasetInfo]

    @abc.abstractmethod
    def sources(self, root: Path, split: str) -> Iterable[Source]:
        """Returns the sources of one split, in order. Looks at names, reads as little as it can.

        Raises:
          FileError: a file that is needed to know them is missing or damaged.
        """

    @abc.abstractmethod
    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Reads one source.

        Raises:
          FileError: one line that names file and key, what was expected and what was found.
        """

    def examples(self, root: str | os.PathLike, *, split: str | None = None) -> Iterator[Example]:
        """Reads the examples of a split, or of all splits, lazily.

        Raises:
          UserError: the folder or the split does not exist, or a file is damaged.
        """
        for block in self.blocks(root, split=split):
            yield from block

    def blocks(
        self, root: str | os.PathLike, *, split: str | None = None
    ) -> Iterator[ExampleBlock]:
        """Reads like `examples`, in columns: much faster."""
        root = self.checked_root(root)
        for name in self.chosen_splits(split):
            for source in self.sources(root, name):
                yield from self.read(root, source)

    def check(self, root: str | os.PathLike) -> list[Finding]:
        """Looks for the dataset's files below `root`; reads none of them."""
        root = self.checked_root(root)
        findings = []
        for item in self.info.items:
            found = sorted(p.relative_to(root).as_posix() for p in root.glob(item.pattern))
            findings.append(Finding(item, len(found), found[0] if found else ""))
        return findings

    def chosen_splits(self, split: str | None) -> tuple[str, ...]:
        """Returns the splits to read."""
        if split is None:
            return self.info.splits
        if split not in self.info.splits:
            raise UserError(
                f"{self.info.name} has the splits {', '.join(self.info.splits)}, not {split!r}"
            )
        return (split,)

    def checked_root(self, root: str | os.PathLike) -> Path:
        """Returns the folder as a path."""
        root = Path(root)
        if not root.is_dir():
            raise UserError(
                f"{root}: expected the folder of {self.info.title} (see `skelbridge datasets show "
                f"{self.info.name}`), found {'a file' if root.exists() else 'nothing'}"
            )
        return root

    def options(self) -> dict[str, Any]:
        """Returns the options and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
