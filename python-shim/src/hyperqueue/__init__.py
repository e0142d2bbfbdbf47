"""The names of HyperQueue's Python package, for scripts that use them. All of it is in `hq_bridge`."""

from hq_bridge import __version__
from hq_bridge.cluster import LocalCluster
from hq_bridge.job import Job
from hq_bridge.job_client import JobClient as Client
from hq_bridge.other_wheel import warn_of_other_wheel

warn_of_other_wheel()

__all__ = ["Client", "Job", "LocalCluster", "__version__", "get_version"]


def get_version() -> str:
    """The version of hq-bridge."""
    return __version__
