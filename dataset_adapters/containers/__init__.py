"""Readers of the file formats that datasets come in; no file that they read is executed."""

from .errors import FileError

__all__ = ["FileError"]
