"""See `hq_bridge.output`."""

from hq_bridge.output import Output, Stdio, StdioDef, default_stderr, default_stdout

__all__ = ["Output", "Stdio", "StdioDef", "default_stderr", "default_stdout"]
