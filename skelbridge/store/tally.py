"""What happened on the way into a shard: counts of dropped examples, bad files, notes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

#: Notes beyond this many different ones are counted, not kept.
MAX_NOTES = 200
_FURTHER = "(further notes)"


class TooManyBadFilesError(UserError):
    """More files could not be read than the user allows."""

    @classmethod
    def because(cls, problem: str, *, allowed: int) -> TooManyBadFilesError:
        """Returns the error that names the file which was one too many."""
        count = "" if allowed == 0 else f"; {allowed} other bad files were skipped"
        return cls(f"{problem}{count} (allow more by --max-bad-files)")

    def __reduce__(self):
        return type(self), self.args


def bad_file_key(file: str, problem: str) -> str:
    """Returns what tells bad files apart; what is no file's fault goes by the problem."""
    return file or problem


@dataclass
class Tally:
    """Counts of one shard, or of many.

    Attributes:
      root: the dataset's folder; bad files are named relative to it.
      max_bad_files: reading stops when there are more.
      examined: examples that the adapter yielded.
      dropped: reason -> how many of them do not come into the store.
      bad_files: (file, problem) of what could not be read.
      notes: remark -> how often.
    """

    root: Path | None = None
    max_bad_files: int = 0
    examined: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    bad_files: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, count: int) -> None:
        """Counts examples that go."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + int(count)

    def note(self, text: str, count: int = 1) -> None:
        """Remembers a remark."""
        if text not in self.notes and len(self.notes) >= MAX_NOTES:
            text = _FURTHER
        self.notes[text] = self.notes.get(text, 0) + count

    def bad_file(self, error: UserError) -> None:
        """Counts a file that cannot be read, once however often it is met.

        Raises:
          TooManyBadFilesError: it is one too many.
        """
        path = error.path if isinstance(error, FileError) else ""
        problem = error.problem if isinstance(error, FileError) else str(error)
        if self._take_bad_files([(self._relative(path), problem)]) == 0:
            return
        if len(self.bad_files) > self.max_bad_files:
            raise TooManyBadFilesError.because(str(error), allowed=self.max_bad_files)

    def add(self, other: Tally) -> None:
        """Takes over the counts of another tally."""
        self.examined += other.examined
        for reason, count in other.dropped.items():
            self.drop(reason, count)
        self._take_bad_files(other.bad_files)
        for text, count in other.notes.items():
            self.note(text, count)

    def to_json(self) -> dict:
        """Returns the counts as JSON values."""
        return {
            "examined": self.examined,
            "dropped": dict(sorted(self.dropped.items())),
            "bad_files": [list(item) for item in self.bad_files],
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, tree: dict) -> Tally:
        """Returns what `to_json` described."""
        return cls(
            examined=tree["examined"],
            dropped=dict(tree["dropped"]),
            bad_files=[tuple(item) for item in tree["bad_files"]],
            notes=dict(tree["notes"]),
        )

    def _take_bad_files(self, files: Iterable[tuple[str, str]]) -> int:
        """Lists the files that are not listed yet; returns how many these are."""
        before = len(self.bad_files)
        listed = {bad_file_key(*item) for item in self.bad_files}
        for item in files:
            if bad_file_key(*item) not in listed:
                listed.add(bad_file_key(*item))
                self.bad_files.append(item)
        return len(self.bad_files) - before

    def _relative(self, path: str) -> str:
        if self.root is None or not path:
            return path
        relative = os.path.relpath(path, self.root)
        return Path(path if relative.startswith("..") else relative).as_posix()
