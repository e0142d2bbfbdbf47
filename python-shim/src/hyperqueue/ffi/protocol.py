"""See `hq_bridge.resources`."""

from hq_bridge.resources import ResourceRequest

__all__ = ["ResourceRequest"]
