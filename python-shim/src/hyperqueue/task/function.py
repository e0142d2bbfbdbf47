"""See `hq_bridge.python_env` and `hq_bridge.tasks`."""

from hq_bridge.python_env import PythonEnv
from hq_bridge.tasks import PythonFunction

__all__ = ["PythonEnv", "PythonFunction"]
