"""Errors of the file readers."""

from __future__ import annotations

import os

from skeleton_defs.errors import UserError


class FileError(UserError):
    """A file that cannot be read as what it claims to be.

    Args:
      path: the offending file; it opens the message.
      problem: one line: what was expected, what was found, and what to do about it.
    """

    def __init__(self, path: str | os.PathLike, problem: str):
        self.path = os.fspath(path)
        self.problem = problem
        super().__init__(f"{self.path}: {problem}")

    @classmethod
    def unreadable(cls, path: str | os.PathLike, error: OSError) -> FileError:
        """Return what to raise where the system refuses to open or read a file."""
        return cls(path, f"cannot be read: {error.strerror or error}")

    def __reduce__(self):
        return type(self), (self.path, self.problem)
