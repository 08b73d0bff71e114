"""Several compiled functions as one call: who runs which, and who waits for whom.

To enter a pool of threads and to cross from Python to compiled code costs microseconds each time,
as much as a short job itself; a pass over a sequence is a handful of jobs, so they go as one list.
Lists are made once for a shape, with bases in place of the addresses that only a call knows.
"""

import functools
from array import array
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from llvmlite import ir

from . import jit
from .builder import I64, PTR, VOID, Code, Target

# Multiply-adds below which a second thread costs more than it brings.
WORTH_A_THREAD = 200_000
# What a list begins with: how many jobs; how many threads the team has; where they count who has
# come to a meeting.
HEAD = ("jobs", "team", "met")
# What it says of a job: the function's address; where its words are, from the list's beginning; how
# many threads run it; and how many are to have come before it (0: no waiting).
FIELDS = ("function", "words", "threads", "goal")
# An address that has a base is the base's number times this, and what is to be added to the base.
BASE = 1 << 50


@dataclass(frozen=True)
class Job:
    """A compiled function `run(words, thread, threads)` with its words.

    Attributes:
        function: What holds it; its address is the first of its functions.
        words: What its first argument points to.
        threads: How many run it.
        waits: It needs what an earlier job of the list made.
    """

    function: jit.Compiled
    words: list[int]
    threads: int
    waits: bool = False


class Bases:
    """What takes the place of addresses, and other numbers, that are not yet known."""

    def __init__(self):
        self._names: list[str] = []

    def __getitem__(self, name: str) -> int:
        """A base; what is added to it will be added to the number that a call has for it."""
        if name not in self._names:
            self._names.append(name)
        return (self._names.index(name) + 1) * BASE

    def moves(self, words: Sequence[int]) -> list[tuple[int, str, int]]:
        """Which words have a base: their places, the base's name, and what to add to it."""
        return [
            (place, self._names[word // BASE - 1], word % BASE)
            for place, word in enumerate(words)
            if word >= BASE
        ]


class Work:
    """A list of jobs for one team of threads, made once.

    Args:
        jobs: In order.
        bases: Of their words.

    Attributes:
        threads: The team's.
        moves: Which words have a base: their places, the base's name, and what to add to it.
    """

    def __init__(self, jobs: Sequence[Job], bases: Bases):
        self._jobs, self._bases = jobs, bases
        self.threads, met, fields, words = max(job.threads for job in jobs), 0, [], []
        for job in jobs:
            met += self.threads if job.waits and self.threads > 1 else 0
            fields += (
                job.function.address,
                len(HEAD) + len(FIELDS) * len(jobs) + len(words),
                job.threads,
                met if job.waits else 0,
            )
            words += job.words
        listed = [len(jobs), self.threads, 0, *fields, *words]
        self.moves = bases.moves(listed)
        self._words = array("q", [0 if word >= BASE else word for word in listed])

    def jobs(self, numbers: Mapping[str, int]) -> list[Job]:
        """The jobs, with numbers, or other bases, in place of the bases."""
        placed = []
        for job in self._jobs:
            words = [*job.words]
            for place, name, more in self._bases.moves(words):
                words[place] = numbers[name] + more
            placed.append(Job(job.function, words, job.threads, job.waits))
        return placed

    @property
    def size(self) -> int:
        """Words of the list."""
        return len(self._words)

    def at(self, numbers: Mapping[str, int]) -> tuple[int, array]:
        """The team's threads and its list, with numbers in place of the bases."""
        words = self._words[:]
        for place, name, more in self.moves:
            words[place] = numbers[name] + more
        return self.threads, words


class _Team(Code):
    """The code: the number of lists, and of each its place, and its first thread; the lists
    follow.
    """

    def __init__(self, target: Target, *, openmp: bool):
        super().__init__(32, target)
        self.enter(("lists",), openmp=openmp)
        b = self.b
        with self.loop(0, self.given["lists"]) as k:
            place = b.mul(k, self.i64(2))
            listed = self._place(self.words, self.word(self.words, b.add(place, self.i64(1))))
            mine = b.sub(self.thread, self.word(self.words, b.add(place, self.i64(2))))
            head = {name: self.word(listed, j) for j, name in enumerate(HEAD)}
            with b.if_then(
                b.and_(
                    b.icmp_signed(">=", mine, self.i64(0)), b.icmp_signed("<", mine, head["team"])
                )
            ):
                with self.loop(0, head["jobs"]) as j:
                    self._job(
                        listed, b.add(b.mul(j, self.i64(len(FIELDS))), self.i64(len(HEAD))), mine
                    )
        b.ret_void()
        self.text = str(self.module)

    def _job(self, listed, place, mine):
        b = self.b
        job = {name: self.word(listed, b.add(place, self.i64(j))) for j, name in enumerate(FIELDS)}
        with b.if_then(b.icmp_signed("!=", job["goal"], self.i64(0))):
            self.meet(self._place(listed, self.i64(HEAD.index("met"))), job["goal"])
        with b.if_then(b.icmp_signed("<", mine, job["threads"])):
            function = b.inttoptr(
                job["function"], ir.FunctionType(VOID, [PTR, I64, I64]).as_pointer()
            )
            b.call(function, [self._place(listed, job["words"]), mine, job["threads"]])

    def _place(self, listed, words):
        return self.b.gep(listed, [words], source_etype=I64)


@functools.cache
def _function() -> jit.Function:
    target, _ = jit.host()
    return jit.Function(_Team(target, openmp=jit.openmp() is not None).text)


def listed(works: Sequence[tuple[int, array]]) -> tuple[int, array]:
    """All threads, and one list, of what `Work.at` gives, each with threads of its own, side by
    side.
    """
    head, place, first = [len(works)], 1 + 2 * len(works), 0
    for threads, words in works:
        head += place, first
        place += len(words)
        first += threads
    words = array("q", head)
    for _, more in works:
        words += more
    return first, words


def run(works: Sequence[tuple[int, array]]) -> None:
    """Run what `Work.at` gives, side by side."""
    threads, words = listed(works)
    _function()(words.buffer_info()[0], threads)


class Listed:
    """Work that is run again and again, by one caller at a time.

    Args:
        work: The work.
        numbers: What its bases stand for.
        others: The names of bases that are given in each run.

    Attributes:
        threads: How many run it.
        words: The list.
        moves: Where in it the others belong: the place, which of them, and what to add.
        start: Runs it; `short` does so on this thread alone, see `native.Function.short`.
    """

    def __init__(self, work: Work, numbers: Mapping[str, int], others: Sequence[str]):
        # Whoever runs the list holds its functions.
        self._work = work
        self.threads, self.words = listed([work.at({**numbers} | dict.fromkeys(others, 0))])
        head = len(self.words) - work.size
        self.moves = [
            (head + place, others.index(name), more)
            for place, name, more in work.moves
            if name in others
        ]
        self._met = head + HEAD.index("met")
        address = self.words.buffer_info()[0]
        self.start, self.short = (
            functools.partial(_function(), address, self.threads),
            _function().short(address),
        )

    def once(self, others: Sequence[int]):
        """Run, with these numbers for the others; here many callers may be at it."""
        words = self.words[:]
        self._fill(words, others)
        _function()(words.buffer_info()[0], self.threads)

    def run(self, others: Sequence[int]):
        """Run, with these numbers for the others."""
        self._fill(self.words, others)
        self.clear()
        self.start()

    def _fill(self, words: array, others: Sequence[int]):
        for place, which, more in self.moves:
            words[place] = others[which] + more

    def clear(self):
        """Have threads count anew who has come."""
        self.words[self._met] = 0


def together(calls: Sequence[Generator[tuple[int, array], None, object]]) -> list:
    """Run calls side by side: what each gives is run, then it goes on; what they return is
    returned.
    """
    found: list = [None] * len(calls)
    going = dict(enumerate(calls))
    while going:
        works = []
        for k, call in [*going.items()]:
            try:
                works.append(next(call))
            except StopIteration as end:
                found[k] = end.value
                del going[k]
        if works:
            run(works)
    return found
