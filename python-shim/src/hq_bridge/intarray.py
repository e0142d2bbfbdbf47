"""Sets of ids as the server writes them: `1-10,20,30-50:5`."""

from __future__ import annotations

from typing import Iterable, Iterator, List, Tuple


def ids_of(text: str) -> Iterator[int]:
    """The ids of such a text, in its order.

    :raises ValueError: when it is not one
    """
    for part in text.split(","):
        span, _, step = part.strip().replace("_", "").partition(":")
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1, int(step or 1))


def ids_text(ids: Iterable[int]) -> str:
    """The shortest such text without steps; the ids are sorted."""
    ranges: List[Tuple[int, int]] = []
    for value in sorted(set(ids)):
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1] = (ranges[-1][0], value)
        else:
            ranges.append((value, value))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
