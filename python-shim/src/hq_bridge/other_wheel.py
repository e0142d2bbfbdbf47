"""Notices HyperQueue's own Python package, whose import name ours has, too. Called at import and by `JobClient`.

Both in one environment overwrite each other's files, and its native module cannot talk to our server.
"""

from __future__ import annotations

import warnings
from typing import Optional

DISTRIBUTION = "hyperqueue"


def other_wheel() -> Optional[str]:
    """The version of the other package in this environment; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def warn_of_other_wheel() -> None:
    """Says once what is wrong and how to mend it, where the other package is installed."""
    found = other_wheel()
    if found is not None:
        warnings.warn(
            f"the package {DISTRIBUTION} {found} is installed beside hq-bridge; both provide the module hyperqueue, "
            f"and only that of hq-bridge can use its servers. Run: pip uninstall {DISTRIBUTION}; "
            "pip install --force-reinstall --no-deps hq-bridge",
            RuntimeWarning,
            stacklevel=3,
        )
