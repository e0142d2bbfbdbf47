"""Notices HyperQueue's own Python package, whose import name ours has, too. Called when names of ours are imported.

Both in one environment overwrite each other's files, and its native module cannot talk to our server. Where its module is
the one that `import hyperqueue` finds, nothing of ours is asked: then `hq doctor` tells.
"""

from __future__ import annotations

import warnings
from typing import Optional

DISTRIBUTION = "hyperqueue"
_said = False


def other_wheel() -> Optional[str]:
    """The version of the other package in this environment; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def warn_of_other_wheel() -> None:
    """Says once in a process what is wrong and how to mend it, where the other package is installed.

    :raises RuntimeWarning: where the user has made warnings errors
    """
    global _said
    if _said:
        return
    _said = True
    found = other_wheel()
    if found is not None:
        import sys

        pip = f"{sys.executable} -m pip"
        warnings.warn(
            f"the package {DISTRIBUTION} {found} is installed beside hq-bridge; both provide the module hyperqueue, "
            f"and only that of hq-bridge can use its servers. {_whose()}. Run: {pip} uninstall {DISTRIBUTION}; "
            f"{pip} install --force-reinstall --no-deps hq-bridge",
            RuntimeWarning,
            stacklevel=3,
        )


def _whose() -> str:
    """Which of the two `import hyperqueue` finds."""
    from importlib.util import find_spec

    spec = find_spec("hyperqueue")
    if spec is None or spec.origin is None:
        return "import hyperqueue finds neither of them now"
    with open(spec.origin, "rb") as file:
        ours = b"hq_bridge" in file.read()
    return f"import hyperqueue finds {spec.origin}, which is that of {'hq-bridge' if ours else DISTRIBUTION}"
