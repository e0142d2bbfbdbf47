"""See `hq_bridge.tasks`."""
