"""Reads files of other tools, one after another: a line with a reader and a path in, a line of JSON
with the error, the seconds and the growth of the peak of memory out.
"""

import json
import resource
import sys
import time

from ostinato.exchange import keras, tf1

READERS = {"keras": keras.read, "tf1": tf1.read}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
    for line in sys.stdin:
        reader, path = line.rstrip("\n").split("\t")
        before, start, error = peak(), time.process_time(), "nothing"
        try:
            READERS[reader](path)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        seconds = time.process_time() - start
        print(json.dumps([error, seconds, peak() - before]), flush=True)


if __name__ == "__main__":
    main()
