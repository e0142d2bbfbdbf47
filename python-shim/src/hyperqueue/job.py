"""See `hq_bridge.job`."""

from hq_bridge.job import Job, SubmittedJob

__all__ = ["Job", "SubmittedJob"]
