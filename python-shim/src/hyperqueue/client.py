"""See `hq_bridge.job_client` and `hq_bridge.failures`."""

from hq_bridge.failures import FailedJobsException, FailedTaskContext
from hq_bridge.job_client import JobClient as Client

__all__ = ["Client", "FailedJobsException", "FailedTaskContext"]
