"""See `hq_bridge`; nothing here is foreign code."""
