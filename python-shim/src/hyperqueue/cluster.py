"""See `hq_bridge.cluster`."""

from hq_bridge.cluster import LocalCluster, WorkerConfig

__all__ = ["LocalCluster", "WorkerConfig"]
