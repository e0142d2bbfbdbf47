"""See `hq_bridge.tasks`."""

from hq_bridge.tasks import Task

__all__ = ["Task"]
