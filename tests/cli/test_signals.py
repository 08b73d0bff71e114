"""Signals: a run that is stopped says so, says how to continue it, and ends as shells expect."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from ostinato.cli.signals import Stopped, raised_as_stopped

TEXT = "ostinato\n" * 500

# Seconds after which a run that should have ended is given up.
LONGEST = 120


def run_of(tmp_path, *more):
    (tmp_path / "text.txt").write_text(TEXT)
    return [
        sys.executable,
        "-m",
        "ostinato",
        "train",
        "generate",
        str(tmp_path / "text.txt"),
        "--out",
        str(tmp_path / "m"),
        "--hidden",
        "8",
        "--batch",
        "4",
        "--sequence-length",
        "16",
        "--steps",
        "1000000",
        "--threads",
        "1",
        "--checkpoint-seconds",
        "0",
        *more,
    ]


def not_ignored():
    """In a child: signals do what they do by default, also where the tests run in the background of
    a shell, which ignores some.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def until_checkpoint(process, tmp_path):
    while process.poll() is None and not (tmp_path / "m" / "checkpoint.safetensors").exists():
        time.sleep(0.02)
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_a_signal_stops_says_how_to_continue(tmp_path, number):
    with subprocess.Popen(
        run_of(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=not_ignored,
    ) as process:
        until_checkpoint(process, tmp_path)
        process.send_signal(number)
        out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 128 + number and out == ""
    last = err.splitlines()[-1]
    assert (
        last.startswith("stopped")
        and f"the same command with --resume continues the run in {tmp_path / 'm'}" in last
    )
    assert number == signal.SIGINT or number.name in last
    assert "Traceback" not in err and err.count("stopped") == 1
    assert (tmp_path / "m" / "checkpoint.safetensors").exists()


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(tmp_path):
    command = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *run_of(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=not_ignored
    ) as process:
        until_checkpoint(process, tmp_path)
        process.send_signal(signal.SIGHUP)
        before = (tmp_path / "m" / "checkpoint.safetensors").stat().st_mtime_ns
        while (
            process.poll() is None
            and (tmp_path / "m" / "checkpoint.safetensors").stat().st_mtime_ns == before
        ):
            time.sleep(0.02)
        assert process.poll() is None
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM


def test_a_run_whose_terminal_is_gone_ends_without_a_traceback(tmp_path):
    ours, theirs = pty.openpty()
    with open(tmp_path / "out.txt", "wb") as out:
        # a session of its own, whose terminal this is: closing our end sends it SIGHUP
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *run_of(tmp_path)],
            stdin=theirs,
            stdout=out,
            stderr=theirs,
            preexec_fn=not_ignored,
        )
    os.close(theirs)
    os.set_blocking(ours, False)
    while process.poll() is None and not (tmp_path / "m" / "checkpoint.safetensors").exists():
        try:
            os.read(ours, 1 << 16)
        except BlockingIOError:
            time.sleep(0.02)
    os.close(ours)
    assert process.wait(timeout=LONGEST) == 128 + signal.SIGHUP
    assert (tmp_path / "out.txt").read_bytes() == b"" and (
        tmp_path / "m" / "checkpoint.safetensors"
    ).exists()


def test_a_run_goes_on_where_nobody_reads_its_messages(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*run_of(tmp_path)[:-6], "--steps", "6", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=write,
        text=True,
    )
    os.close(write)
    assert done.returncode == 0 and "bits per character" in done.stdout


def test_signals_do_again_what_they_did_before():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    around = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    before = {number: signal.getsignal(number) for number in numbers}
    with pytest.raises(Stopped, match="stopped by SIGHUP") as stop, raised_as_stopped():
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(5)
    assert stop.value.exit_code == 129
    assert before == {number: signal.getsignal(number) for number in before}
    for number, handler in around.items():
        signal.signal(number, handler)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_as_stopped():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
