"""See `hq_bridge.validation`."""

from hq_bridge.validation import ValidationException

__all__ = ["ValidationException"]
