"""Client of hq-bridge, a HyperQueue server: typed calls, events and a server that starts by itself.

    from hq_bridge import Client, ensure_server
    server = ensure_server()
    with Client(server.server_dir) as client:
        client.create_job({"name": "hello", "submit": {...}})

Needs nothing but the standard library. Names are loaded when they are first used, so that importing this costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "Access": "access",
    "Batch": "events",
    "Client": "client",
    "EmbeddedServer": "embedded",
    "EventStream": "events",
    "Gap": "events",
    "HqError": "errors",
    "Lost": "events",
    "Resumed": "events",
    "ServerUnavailable": "errors",
    "ensure_server": "embedded",
    "ids_of": "intarray",
    "ids_text": "intarray",
    "read_access": "access",
    "server_directory": "access",
}

__all__ = ["__version__", *sorted(_PLACES)]

if TYPE_CHECKING:
    from .access import Access as Access
    from .access import read_access as read_access
    from .access import server_directory as server_directory
    from .client import Client as Client
    from .embedded import EmbeddedServer as EmbeddedServer
    from .embedded import ensure_server as ensure_server
    from .errors import HqError as HqError
    from .errors import ServerUnavailable as ServerUnavailable
    from .events import Batch as Batch
    from .events import EventStream as EventStream
    from .events import Gap as Gap
    from .events import Lost as Lost
    from .events import Resumed as Resumed
    from .intarray import ids_of as ids_of
    from .intarray import ids_text as ids_text


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
