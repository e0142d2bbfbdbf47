"""Reads the committed log files of fixtures/outputlogs, whole and cut at every byte."""

import base64
import json
import os
import shutil
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "src"))

from hq_bridge.outputlog import OutputLog, OutputLogError  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "..", "fixtures", "outputlogs", "v1")
PLAIN = os.path.join(GOLDEN, "plain")


def describe(path, server_uid=None):
    """What is in a log, in the form of expected.json."""
    kinds = []
    with OutputLog(path, server_uid, lambda notice: kinds.append(notice.kind)) as log:
        jobs = {}
        for job in log.jobs():
            tasks = []
            for task in log.tasks(job):
                entry = {"id": task.id, "instance": task.instance, "finished": task.finished, "outcome": task.outcome}
                for channel in ("stdout", "stderr"):
                    entry[channel] = base64.b64encode(log.read(job, task.id, channel)).decode()
                tasks.append(entry)
            jobs[str(job)] = tasks
        return {"summary": log.summary(), "jobs": jobs, "notices": kinds}


class Golden(unittest.TestCase):
    maxDiff = None

    def test_reads_what_the_other_reader_reads(self):
        with open(os.path.join(GOLDEN, "expected.json"), encoding="utf-8") as stream:
            expected = json.load(stream)
        self.assertEqual(describe(PLAIN), expected["plain"])
        self.assertEqual(describe(os.path.join(GOLDEN, "damaged")), expected["damaged"])
        for uid in ("first", "second"):
            self.assertEqual(describe(os.path.join(GOLDEN, "servers"), uid), expected[uid])

    def test_show_is_ordered_by_time(self):
        with OutputLog(PLAIN) as log:
            chunks = list(log.show())
            self.assertEqual([chunk.time_ms for chunk in chunks], sorted(chunk.time_ms for chunk in chunks))
            self.assertEqual([chunk.data for chunk in log.show(12)], [b"still running\n"])
            self.assertEqual({chunk.channel for chunk in log.show(1, "stderr")}, {"stderr"})
            # Instance 0 of task 2 was superseded.
            self.assertNotIn((2, 0), {(chunk.task, chunk.instance) for chunk in chunks})

    def test_a_file_stands_for_its_job(self):
        with OutputLog(os.path.join(PLAIN, "job-1.log")) as log:
            self.assertEqual((log.implied_job, log.jobs(), log.summary()["n_files"]), (1, [1], 2))
        with OutputLog(os.path.join(PLAIN, "job-1.log.w2")) as log:
            self.assertEqual(log.summary()["n_files"], 1)

    def test_errors(self):
        servers = os.path.join(GOLDEN, "servers")
        with self.assertRaisesRegex(OutputLogError, r"several servers \(first, second\)"):
            OutputLog(servers)
        with self.assertRaisesRegex(OutputLogError, "No log files of server third found"):
            OutputLog(servers, "third")
        with self.assertRaisesRegex(OutputLogError, "No log files found"):
            OutputLog(GOLDEN)
        with self.assertRaisesRegex(OutputLogError, "cannot be read as an output log: it is not an output log"):
            OutputLog(os.path.join(GOLDEN, "expected.json"))
        with self.assertRaises(OSError):
            OutputLog(os.path.join(GOLDEN, "absent"))
        with OutputLog(PLAIN) as log:
            self.assertRaisesRegex(OutputLogError, "Job 2 not found", log.tasks, 2)
            self.assertRaisesRegex(OutputLogError, "Task 9 not found", log.read, 1, 9)


class Damage(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = os.path.join(self.dir, "job-1.log")
        with open(os.path.join(PLAIN, "job-1.log.w2"), "rb") as stream:
            self.whole = stream.read()
        self.tasks = self.read(self.whole)[0]
        self.assertEqual(sorted(self.tasks), [2, 5, 4000000000])

    def read(self, data):
        """({task: (finished, stdout, stderr)}, kinds of notices) of a file with these bytes."""
        with open(self.path, "wb") as stream:
            stream.write(data)
        kinds = []
        with OutputLog(self.path, on_notice=lambda notice: kinds.append(notice.kind)) as log:
            tasks = {}
            for task in log.tasks(1):
                tasks[task.id] = (task.finished, log.read(1, task.id), log.read(1, task.id, "stderr"))
        return tasks, kinds

    def test_cut_at_every_byte(self):
        before = 0
        for size in range(330, len(self.whole)):
            tasks, kinds = self.read(self.whole[:size])
            self.assertLessEqual(set(kinds), {"cut"})
            got = sum(len(stdout) + len(stderr) + finished for finished, stdout, stderr in tasks.values())
            self.assertGreaterEqual(got, before)
            before = got
            for task, (finished, stdout, stderr) in tasks.items():
                self.assertTrue(self.tasks[task][1].startswith(stdout))
                self.assertTrue(self.tasks[task][2].startswith(stderr))
        self.assertEqual(before, sum(len(task[1]) + len(task[2]) + 1 for task in self.tasks.values()))

    def test_one_byte_damaged_anywhere(self):
        for at in range(len(self.whole)):
            data = bytearray(self.whole)
            data[at] ^= 0x5A
            tasks, _ = self.read(bytes(data))
            hurt = [task for task in self.tasks if tasks.get(task) != self.tasks[task]]
            self.assertLessEqual(len(hurt), 1, at)

    def test_files_that_are_no_logs(self):
        for data, reason in ((b"", "beginning"), (b"\x89HQL", "beginning"), (b"text", "not an output log"), (b"\x89HQLOG\n\x09", "newer")):
            with open(self.path, "wb") as stream:
                stream.write(data)
            with self.assertRaisesRegex(OutputLogError, reason):
                OutputLog(self.path)
            texts = []
            with self.assertRaisesRegex(OutputLogError, "No log files"):
                OutputLog(self.dir, on_notice=lambda notice: texts.append(notice.text))
            self.assertIn(reason, texts[0])


if __name__ == "__main__":
    unittest.main()
