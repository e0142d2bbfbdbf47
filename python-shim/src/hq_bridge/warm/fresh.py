"""What a fork must not have in common with other forks of its runner. Used by hosts."""

from __future__ import annotations

import contextlib
import sys
from typing import Any


def reseed_numpy() -> None:
    """Gives numpy's global generator numbers of its own.

    Not where a seed was chosen: it has then forgotten where its first one came from. Python's own generator does so at
    every fork by itself.
    """
    with contextlib.suppress(KeyError, AttributeError):
        numpy_random: Any = sys.modules["numpy.random"]
        if numpy_random.mtrand._rand._bit_generator._seed_seq is not None:
            numpy_random.seed()
