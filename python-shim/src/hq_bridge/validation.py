"""What is wrong with a job before it is sent. Raised by everything that describes tasks."""

from __future__ import annotations


class ValidationException(ValueError):
    """A job, task or request that cannot be submitted; the message is one line that names the input and the fix."""
