"""A progress bar with rate and remaining time."""

from __future__ import annotations

import sys
from collections.abc import Callable


class Progress:
    """Counts sources; shows the examples and their rate beside it. Quiet unless on a terminal.

    Args:
      total: sources to do.
      title: what is being prepared.
      shown: whether to show anything at all.
    """

    def __init__(self, total: int, title: str, *, shown: bool):
        self._bar = None
        self._n_examples = 0
        if shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=title, unit="source", dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_error) -> None:
        if self._bar is not None:
            self._bar.close()

    def skip(self, sources: int, examples: int) -> None:
        """Counts what an earlier run has done; it does not enter the rate."""
        if self._bar is not None:
            self._bar.initial += sources
            self._bar.update(sources)
        self._n_examples += examples

    def advance(self, sources: int, examples: int) -> None:
        """Counts what is done."""
        self._n_examples += examples
        if self._bar is not None:
            self._bar.set_postfix(examples=self._n_examples, refresh=False)
            self._bar.update(sources)

    def write(self, say: Callable[[str], None], text: str) -> None:
        """Says something without damaging the bar."""
        if self._bar is None:
            say(text)
            return
        with self._bar.external_write_mode(file=sys.stderr):
            say(text)
