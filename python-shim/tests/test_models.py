"""The types of the API follow the published schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "tools/generate_models.py"


def test_models_match_the_schema():
    result = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_model_can_be_imported():
    from hq_bridge._generated import models

    assert {"TaskSpec", "HqEvent", "HqEventTaskFailed", "Submitted"} <= set(models.__all__)
    assert models.HqEventTaskFailed.__required_keys__ >= {"seq", "timeMs", "jobId", "taskId", "failure"}
    assert models.TaskSpec.__required_keys__ == {"command"}
