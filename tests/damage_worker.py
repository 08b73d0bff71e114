"""Runs command lines of ostinato in one process, one after another: a line of JSON in, a line of
JSON out.

In: {"words": [...], "directory": ...}. Out: the exit code, what was printed, the seconds of the
    processor, and the most memory that was in use.
"""

import io
import json
import os
import resource
import sys
import tempfile
import time
import traceback

# a mistake in a size is not to take all of the machine's memory
LIMIT = 16 << 30


def peak() -> int:
    """Bytes of memory that were in use at most since `forget_peak`."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


def forget_peak():
    """Let `peak` begin again. Source: proc(5), clear_refs."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def run(cli, words: list[str]) -> tuple[int, str, str]:
    """Run a command line, with standard output and error in files: libraries write there without
    Python.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(
                os.fdopen(number, "wb", closefd=False), encoding="utf-8", errors=errors
            )
            for number, errors in ((1, "strict"), (2, "backslashreplace"))
        )
        sys.argv = ["ostinato", *words]
        try:
            cli()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read(1 << 20).decode("utf-8", "replace"))
        return code, *printed


def main():
    results = os.fdopen(os.dup(1), "w")
    jobs = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False))
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    import torch

    from ostinato.cli.main import main

    torch.set_num_threads(1)
    for line in jobs:
        job = json.loads(line)
        os.chdir(job["directory"])
        forget_peak()
        began = time.process_time()
        code, out, err = run(main, job["words"])
        results.write(
            json.dumps(
                {
                    "code": code,
                    "out": out,
                    "err": err,
                    "seconds": time.process_time() - began,
                    "peak": peak(),
                }
            )
            + "\n"
        )
        results.flush()


if __name__ == "__main__":
    main()
