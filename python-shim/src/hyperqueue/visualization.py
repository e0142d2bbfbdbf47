"""See `hq_bridge.visualization`."""

from hq_bridge.visualization import visualize_job

__all__ = ["visualize_job"]
