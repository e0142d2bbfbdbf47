"""The examples of docs/python.md are programs that run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/python.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def title(example: str) -> str:
    return " ".join(
        sorted(set(re.findall(r"\b(?:hq_bridge|hyperqueue|asyncio|joblib|Executor|LocalCluster)\b", example)))
    )


def test_the_page_has_examples():
    assert len(EXAMPLES) == 11


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_example_runs_as_printed(example, cluster, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if "Pipeline complete" in example:
        assert re.fullmatch(r"Job \d+ finished\.\n", done.stdout)
        assert (tmp_path / "2.stdout").read_text() == "Pipeline complete!\n"
