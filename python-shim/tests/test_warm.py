"""Parts of warm runners that need neither a worker nor Snakemake. The loop itself passes the tests of all launchers."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hq_bridge.warm import capture, frames, linux
from hq_bridge.warm.files_read import LIMIT, FilesRead
from hq_bridge.warm.snakemake_arguments import words_of
from hq_bridge.warm.snakemake_host import _tell_targets

SOURCES = Path(__file__).parents[1] / "src"
# What a shell command may be made of, odd things more often than in any workflow.
PIECES = ["a", "Z9", "-", "--x=", " ", "  ", "'", '"', "\\", "$", "`", "&&", ";", "|", "*", "é", "#", "~", "(", "\n", "!", "{", "\t", "?"]


def shell_words(command: str) -> list[str]:
    """What a real shell makes of it."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' {command}"], cwd="/", capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def test_a_command_is_split_as_the_shell_does_or_left_to_it():
    seed = int(os.environ.get("HQ_SEED", "1"))
    rng = random.Random(seed)
    understood = 0
    for _ in range(400):
        command = "".join(rng.choices(PIECES, k=rng.randint(1, 6)))
        words = words_of(command)
        if words:
            understood += 1
            assert words == shell_words(command), (seed, command)
    assert understood > 20


@pytest.mark.parametrize("words", [["a", "b c"], ["it's", 'a "b"'], ["$x", "`y`", "*"], ["ü", "a\\b"], [""]])
def test_quoted_words_come_back(words):
    assert words_of(" ".join(map(shlex.quote, words))) == words


@pytest.mark.parametrize("command", ["a && b", "a; b", "a $b", 'a "$b"', "a `b`", "a *", "a > b", "'a", '"a', "a\\", "a\nb", "~/a", "A=1 #"])
def test_what_a_shell_would_act_on_is_left_to_it(command):
    assert words_of(command) is None


def test_a_launch_is_read_as_it_was_written():
    texts = [b"/bin/sh", b"-c", b"echo", b"OWN=1=2", b"LANE=x", b"/work", b"/group", b"/out"]
    head = [7, 2, 5, 3, 1, 1, 2, 3, frames.OUT_FILE, frames.OUT_CAPTURE]
    body = b"".join(n.to_bytes(4, "little") for n in head) + b"".join(text + b"\0" for text in texts)
    body += (4).to_bytes(4, "little") + (9).to_bytes(4, "little") + b"in\0"
    assert frames.parse_launch(body) == frames.Launch(
        id=7,
        environment=2,
        args=[b"/bin/sh", b"-c", b"echo"],
        own={b"OWN": b"1=2"},
        lane={b"LANE": b"x"},
        cwd=b"/work",
        group=b"/group",
        cpus=(4, 9),
        stdin=b"in\0",
        outputs=(frames.OUT_FILE, frames.OUT_CAPTURE),
        paths=(b"/out", None),
    )


def test_frames_are_taken_apart_however_they_were_cut():
    stream = b"".join([frames.hello(5), frames.note("ä"), frames.failed(1, frames.START, 11)])
    for size in range(1, len(stream) + 1):
        taken, data = [], bytearray()
        for at in range(0, len(stream), size):
            data += stream[at : at + size]
            taken += frames.take_frames(data)
        assert [kind for kind, _ in taken] == [b"H", b"N", b"F"]
        assert taken[1][1].decode() == "ä"
        assert not data


def test_garbage_is_no_frame():
    with pytest.raises(ValueError, match="0 bytes"):
        list(frames.take_frames(bytearray(8)))
    with pytest.raises(ValueError, match="4294967295 bytes"):
        list(frames.take_frames(bytearray(b"\xff" * 8)))


def test_changes_of_what_was_read_or_listed_are_seen(tmp_path):
    ignored = tmp_path / "ignored"
    ignored.mkdir()
    (tmp_path / "read").write_text("1")
    (tmp_path / "alone").write_text("1")
    (ignored / "read").write_text("1")
    inner = tmp_path / "inner"
    inner.mkdir()
    files = FilesRead(ignore=[str(ignored)])
    with files.recording():
        (tmp_path / "read").read_text()
        (ignored / "read").read_text()
        (tmp_path / "written").write_text("1")
        list(inner.iterdir())
        os.listdir(inner)
    (tmp_path / "alone").write_text("22")
    (tmp_path / "written").write_text("22")
    (ignored / "read").write_text("22")
    assert files.changed() is None
    (inner / "new").touch()
    assert files.changed() == str(inner)
    (tmp_path / "read").write_text("22")
    assert files.changed() == str(tmp_path / "read")


def test_a_file_that_comes_or_goes_has_changed(tmp_path):
    files = FilesRead(ignore=[])
    files.note(tmp_path / "comes")
    assert files.changed() is None
    (tmp_path / "comes").touch()
    assert files.changed() == str(tmp_path / "comes")


def test_there_is_a_limit_to_what_is_looked_at(tmp_path):
    files = FilesRead(ignore=[])
    for number in range(LIMIT + 10):
        files.note(tmp_path / str(number))
    assert files.too_many


# Each in a process that has what a runner has: handlers for its own end, and a fork.
FORK = """
    import atexit, os, random, sys, tempfile, threading, time, weakref
    from hq_bridge.warm import task
    atexit.register(print, "exit handler of the runner")
    directory = tempfile.TemporaryDirectory()
    class Thing: pass
    thing = Thing()
    weakref.finalize(thing, print, "finalizer of the runner")
    sys.stdout.flush()
    def main():
        {body}
    pid = os.fork()
    if pid == 0:
        task.run(main)
    _, status = os.waitpid(pid, 0)
    print("signal" if os.WIFSIGNALED(status) else "exit", os.WTERMSIG(status) or os.WEXITSTATUS(status))
    print(os.path.isdir(directory.name))
    sys.stdout.flush()
    os._exit(0)
"""


def forked(*body: str) -> tuple[str, str]:
    """What such a fork prints before the line on its end, and that line."""
    script = textwrap.dedent(FORK).format(body="\n    ".join(body))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    *lines, end, kept = done.stdout.splitlines()
    assert kept == "True", "the fork has removed a directory of its runner"
    return "\n".join(lines), end


@pytest.mark.parametrize(
    ("body", "printed", "end"),
    [
        ("pass", "", "exit 0"),
        ("sys.exit()", "", "exit 0"),
        ("sys.exit(3)", "", "exit 3"),
        ("sys.exit('words')", "words", "exit 1"),
        ("os._exit(5)", "", "exit 5"),
        ("os.kill(os.getpid(), 9)", "", "signal 9"),
        ("print('no newline', end='')", "no newlineexit 0", None),
        ("atexit.register(print, 'own')", "own", "exit 0"),
        ("weakref.finalize(main, print, 'own')", "own", "exit 0"),
        ("threading.Timer(0.01, print, ['waited for']).start()", "waited for", "exit 0"),
    ],
)
def test_a_fork_ends_as_a_program_does(body, printed, end):
    assert forked(body) == (printed, end) if end is not None else forked(body)[1] == printed


def test_an_error_is_shown_and_an_interrupt_ends_by_its_signal():
    text, end = forked("raise ValueError('wrong')")
    assert text.endswith("ValueError: wrong")
    assert end == "exit 1"
    text, end = forked("raise KeyboardInterrupt")
    assert text.endswith("KeyboardInterrupt")
    assert end == "signal 2"


def test_a_timer_of_snakemake_is_not_waited_for():
    body = ["import types", "from hq_bridge.warm.snakemake_host import SnakemakeHost", "def late(): print('late')"]
    body += ["late.__module__ = 'snakemake.scheduling.rate_limiter'"]
    # In the place of Snakemake: a call that leaves such a timer behind, and one that fails meanwhile.
    body += ["package, cli = types.ModuleType('snakemake'), types.ModuleType('snakemake.cli')"]
    body += ["sys.modules.update({'snakemake': package, 'snakemake.cli': cli})"]
    body += ["package.cli, cli.__file__ = cli, '/snakemake/cli.py'"]
    for end, code in (("None", 0), ("sys.exit(1)", 1)):
        main = f"cli.main = lambda _: (threading.Timer(1000, late).start(), {end})"
        assert forked(*body, main, "SnakemakeHost('/')._run([], False)") == ("", f"exit {code}")


def test_an_unknown_kind_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hq_bridge.warm", "cooking", "imports", str(tmp_path), "/", "true"],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "hq_bridge.warm: unknown kind or level: cooking imports\n")


@pytest.mark.parametrize(
    "variables, argv, told",
    [
        ({"HQ_COMPARE_RECORDS": "/r"}, ["--snakefile", "S", "--target-jobs", "part:n=a b", "--cores", "1"], "part:n=a b"),
        ({"HQ_COMPARE_RECORDS": "/r"}, ["--target-jobs", "part:n=1", "part:n=2", "--cores", "1"], "part:n=1\npart:n=2"),
        ({"HQ_COMPARE_RECORDS": "/r"}, ["--target-jobs", "part:n=1"], "part:n=1"),
        ({"HQ_COMPARE_RECORDS": "/r"}, ["--cores", "1"], None),
        ({}, ["--target-jobs", "part:n=1", "--cores", "1"], None),
    ],
)
def test_a_comparison_is_told_the_targets_of_a_job_and_nobody_else_is(monkeypatch, variables, argv, told):
    monkeypatch.setattr(os, "environ", dict(variables))
    _tell_targets(argv)
    assert os.environ.get("HQ_COMPARE_TARGETS") == told


def test_files_for_output_are_used_again_when_they_are_small(tmp_path):
    spares = capture.Spares(str(tmp_path))
    fds = [spares.take(), None, spares.take()]
    inode = os.fstat(fds[0]).st_ino
    os.write(fds[0], b"x" * capture.INLINE_BYTES)
    os.write(fds[2], b"x" * (capture.INLINE_BYTES + 1))
    large = fds[2]
    spares.put(fds)
    assert fds == [None, None, None]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(large)
    again = spares.take()
    assert os.fstat(again).st_ino == inode
    assert os.fstat(again).st_size == 0
    os.write(again, b"ab")
    assert capture.content(again) == b"ab"
    spares.put([again])
    spares.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(again)
    assert list(tmp_path.iterdir()) == []


def test_children_are_those_that_were_started_and_adopted():
    before = linux.children()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert linux.children() - before == {child.pid}
    assert linux.children() == before
