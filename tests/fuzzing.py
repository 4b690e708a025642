"""Damaged copies of good files, and a guard for what reading them may cost."""

import contextlib
import random
import resource
import signal
import sys

from skeleton_defs.errors import UserError

_NUMBERS = [b"nan", b"-1", b"0", b"1e308", b"999999999999", b"-2147483648", b"inf", b"1e", b""]


def mutations(data: bytes, count: int, seed: int = 0):
    """Yields `count` damaged copies of `data`: cut, flipped, repeated, overwritten, re-numbered."""
    rng = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            # Headers break readers more often than bodies: half of the hits land there.
            reach = min(len(damaged), 2048) if rng.random() < 0.5 else len(damaged)
            at = rng.randrange(max(reach, 1))
            size = rng.choice([1, 2, 4, 16, 64, 512])
            kind = rng.randrange(6)
            if kind == 0:
                del damaged[at:]
            elif kind == 1:
                del damaged[at : at + size]
            elif kind == 2:
                damaged[at:at] = damaged[at : at + size]
            elif kind == 3:
                damaged[at : at + size] = rng.randbytes(min(size, 16))
            elif kind == 4 and at < len(damaged):
                damaged[at] ^= 1 << rng.randrange(8)
            else:
                damaged[at : at + rng.choice([1, 3])] = rng.choice(_NUMBERS)
        yield bytes(damaged)


@contextlib.contextmanager
def bounded(seconds: int = 10, extra_bytes: int = 1 << 30):
    """Fails (TimeoutError, MemoryError) where the block hangs or takes too much memory."""

    def stop(*_):
        raise TimeoutError(f"not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    old_limit = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            in_use = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + extra_bytes, old_limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old_limit)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def assert_result_or_user_error(read, *args, **kwargs):
    """Calls a reader on damaged input: it must return, or raise a one-line `UserError`."""
    with bounded():
        try:
            return read(*args, **kwargs)
        except UserError as error:
            assert "\n" not in str(error), f"more than one line: {error}"
            return None
