"""Ending after Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def end_interrupted() -> NoReturn:
    """Ends the process as Ctrl-C would have, once everything is put in order and said.

    A shell sees status 130 and also leaves the loop that called us; after a plain `sys.exit(130)`
    it would go on with the next file. Moreover Python itself turns that exit into the signal when
    the key was hit inside an `exec`, which dataclasses use: so there is one ending, not two.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(130)  # Not reached where signals are delivered at once.
