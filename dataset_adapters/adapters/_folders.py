"""What lies in folders, by name: datasets have more files than paths can be made of in time."""

from __future__ import annotations

import os

from ..containers.errors import FileError
from ._values import RecentFiles


def names_in(folder: str | os.PathLike) -> list[str]:
    """Returns the names of what lies in a folder, in order; none where there is no such folder.

    Raises:
      FileError: the system refuses to tell.
    """
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileError.unreadable(folder, error) from None


def folders_in(folder: str | os.PathLike) -> list[str]:
    """Returns the names of the folders in a folder, in order; none where there is no such folder.

    Raises:
      FileError: the system refuses to tell.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileError.unreadable(folder, error) from None


#: Returns the names in a large folder that many sources look into, which must be there.
recent_names = RecentFiles(lambda folder: frozenset(names_in(folder)), keep=4)
