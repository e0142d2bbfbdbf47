"""The types of the API follow the published schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "python-shim/tools/generate_models.py"
MODELS = ROOT / "python-shim/src/hq_bridge/_generated/models.py"


def test_models_match_the_schema():
    schema = (ROOT / "docs/schema/models.json").read_bytes()
    result = subprocess.run([sys.executable, str(TOOL)], input=schema, capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == MODELS.read_text(encoding="utf-8"), "it has drifted; run: npm run generate"


def test_every_model_can_be_imported():
    from hq_bridge._generated import models

    assert {"TaskSpec", "HqEvent", "HqEventTaskFailed", "Submitted"} <= set(models.__all__)
    assert models.HqEventTaskFailed.__required_keys__ >= {"seq", "timeMs", "jobId", "taskId", "failure"}
    assert models.TaskSpec.__required_keys__ == {"command"}
