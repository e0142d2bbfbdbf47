"""See `hq_bridge.tasks`."""

from hq_bridge.tasks import ExternalProgram

__all__ = ["ExternalProgram"]
