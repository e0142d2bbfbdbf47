"""The suite that every executor plugin of Snakemake has to pass, with each way of keeping output."""

from __future__ import annotations

import pytest
import snakemake.common.tests

from snakemake_executor_plugin_hyperqueue import ExecutorSettings


class Suite(snakemake.common.tests.TestWorkflowsLocalStorageBase):
    __test__ = False
    latency_wait = 2
    keep_logs = "failed"

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def get_executor(self) -> str:
        return "hyperqueue"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(server_dir=self.server.directory, keep_logs=self.keep_logs)


class TestWorkflows(Suite):
    __test__ = True


class TestWorkflowsKeepingAllOutput(Suite):
    __test__ = True
    keep_logs = "always"


class TestWorkflowsKeepingNoOutput(Suite):
    __test__ = True
    keep_logs = "never"
