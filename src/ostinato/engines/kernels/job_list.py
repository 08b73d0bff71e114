"""Private: several compiled functions as one call: who runs which, and who waits for whom.

To enter a pool of threads and to cross from Python to compiled code costs microseconds each time,
as much as a short job itself; a pass over a sequence is a handful of jobs, so they go as one list.
A list is compiled once for a shape. Addresses that only a call knows are relocations in it.

In memory a call is an array of 64-bit words:

    number of lists | place and first thread of each list | list | list ...
    a list:  jobs, threads, arrived | function, words, threads, goal of each job | words of each job
"""

import functools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from llvmlite import ir

from . import jit
from .builder import I64, PTR, VOID, Code, Target

# The words that a list begins with: the number of jobs; the number of threads; and where the
# threads count how many of them have arrived at a barrier.
HEAD = ("jobs", "threads", "arrived")
# The words of a job: the function's address; where its words are, from the list's beginning; how
# many threads run it; and how many arrivals it waits for (0: it does not wait).
FIELDS = ("function", "words", "threads", "goal")
# The words before a list that runs alone: one list, which is behind these words, from thread 0 on.
ALONE = (1, 3, 0)
# The place of the third word of such a list.
ARRIVED = len(ALONE) + HEAD.index("arrived")


@dataclass(frozen=True)
class Relocation:
    """A word that a call fills in: its number of this name, and an offset that is added to it."""

    name: str
    offset: int = 0

    def __add__(self, more: int) -> "Relocation":
        return Relocation(self.name, self.offset + more)


# A word of a job: a number, or what a call puts in its place.
Word = int | Relocation


@dataclass(frozen=True)
class Job:
    """A compiled function `run(words, thread, threads)` with its words.

    Attributes:
        function: The code; its address is that of the first function.
        words: What its first argument points to.
        threads: How many run it.
        waits: It needs the result of an earlier job of the list.
    """

    function: jit.Compiled
    words: Sequence[Word]
    threads: int
    waits: bool = False

    def placed(self, numbers: Mapping[str, Word]) -> "Job":
        """The job with numbers, or other relocations, in place of its relocations; names that are
        not in `numbers` stay.
        """
        words = [
            numbers[word.name] + word.offset
            if isinstance(word, Relocation) and word.name in numbers
            else word
            for word in self.words
        ]
        return Job(self.function, words, self.threads, self.waits)


class JobList:
    """Jobs that run as one call.

    Args:
        jobs: In order.

    Attributes:
        jobs: The jobs; the list holds their functions.
        threads: How many run the list.
        places: The words that have a relocation, by its name: their places, and the offsets.
    """

    def __init__(self, jobs: Iterable[Job]):
        self.jobs = tuple(jobs)
        self.threads = max(job.threads for job in self.jobs)
        fields: list[int] = []
        words: list[Word] = []
        goal = 0
        for job in self.jobs:
            goal += self.threads if job.waits and self.threads > 1 else 0
            fields += (
                job.function.address,
                len(HEAD) + len(FIELDS) * len(self.jobs) + len(words),
                job.threads,
                goal if job.waits else 0,
            )
            words += job.words
        listed = [*ALONE, len(self.jobs), self.threads, 0, *fields, *words]
        self.places: dict[str, list[tuple[int, int]]] = {}
        for place, word in enumerate(listed):
            if isinstance(word, Relocation):
                self.places.setdefault(word.name, []).append((place, word.offset))
        self._words = array("q", [0 if isinstance(word, Relocation) else word for word in listed])
        # For each of the runs that have ended its words, the numbers that are filled in (most stay
        # the same), and what runs them.
        self._idle: list[tuple[array, list[int | None], Callable[[], None]]] = []

    def words(self, numbers: Mapping[str, int]) -> array:
        """A copy of the words of a call of this list alone, with numbers for the relocations."""
        words = self._words[:]
        for name, places in self.places.items():
            for place, offset in places:
                words[place] = numbers[name] + offset
        return words

    def run(self, numbers: Mapping[str, int]) -> None:
        """Run with these numbers for the relocations; several threads may be at it."""
        try:
            words, known, start = self._idle.pop()
        except IndexError:
            words, known = self._words[:], [None] * len(self.places)
            start = functools.partial(_launcher(), words.buffer_info()[0], self.threads)
        k = 0
        for name, places in self.places.items():
            number = numbers[name]
            if number != known[k]:
                known[k] = number
                for place, offset in places:
                    words[place] = number + offset
            k += 1
        words[ARRIVED] = 0
        start()
        self._idle.append((words, known, start))


class _Launcher(Code):
    """The code that runs the lists of a call: each thread belongs to one list."""

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
                    b.icmp_signed(">=", mine, self.i64(0)),
                    b.icmp_signed("<", mine, head["threads"]),
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
            self.meet(self._place(listed, self.i64(HEAD.index("arrived"))), job["goal"])
        with b.if_then(b.icmp_signed("<", mine, job["threads"])):
            function = b.inttoptr(
                job["function"], ir.FunctionType(VOID, [PTR, I64, I64]).as_pointer()
            )
            b.call(function, [self._place(listed, job["words"]), mine, job["threads"]])

    def _place(self, listed, words):
        return self.b.gep(listed, [words], source_etype=I64)


@functools.cache
def _launcher() -> jit.Function:
    target, _ = jit.host()
    return jit.Function(_Launcher(target, openmp=jit.openmp() is not None).text)


def run(lists: Sequence[tuple[JobList, Mapping[str, int]]]) -> None:
    """Run lists at the same time, each on threads of its own, with numbers for its relocations."""
    if len(lists) == 1:
        ((alone, numbers),) = lists
        alone.run(numbers)
        return
    parts = [jobs.words(numbers)[len(ALONE) :] for jobs, numbers in lists]
    head, place, first = [len(lists)], 1 + 2 * len(lists), 0
    for (jobs, _), words in zip(lists, parts):
        head += place, first
        place += len(words)
        first += jobs.threads
    words = array("q", head)
    for part in parts:
        words += part
    _launcher()(words.buffer_info()[0], first)


class ReusableList:
    """A job list whose words are filled in place, by one caller at a time.

    Args:
        jobs: The jobs.
        fixed: Numbers that stay, by name; the others are given in each run.
        names: The names of others that come first, in order; those that are not among them follow.

    Attributes:
        names: The names of all others, in the order of a run's numbers.
        words: The words of the call.
        places: For each other name the words that have a relocation of it, and the offsets.
        last: The place of the first word of the last job.
        start: Runs the list as it is filled in. If it is for one thread it runs on the calling
            thread, and meanwhile no other Python thread runs; see `jit.Function.short`.
    """

    def __init__(self, jobs: JobList, fixed: Mapping[str, int], names: Iterable[str] = ()):
        self._jobs = jobs  # which holds the functions
        self.places = {name: found for name, found in jobs.places.items() if name not in fixed}
        self.names = [*dict.fromkeys([*names, *self.places])]
        self._moves = [
            (place, k, offset)
            for k, name in enumerate(self.names)
            for place, offset in self.places.get(name, ())
        ]
        self.words = jobs.words({**fixed, **dict.fromkeys(self.places, 0)})
        self.last = len(self.words) - len(jobs.jobs[-1].words)
        address = self.words.buffer_info()[0]
        self._several = functools.partial(_launcher(), address, jobs.threads)
        self.start = _launcher().short(address) if jobs.threads == 1 else self._start

    def run(self, numbers: Sequence[int]) -> None:
        """Fill in the numbers of `names`, and run."""
        words = self.words
        for place, k, offset in self._moves:
            words[place] = numbers[k] + offset
        self._start()

    def _start(self):
        self.words[ARRIVED] = 0
        self._several()
