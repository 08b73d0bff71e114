"""Private: copies of rows before and after a loop: initial states into their arrays, final states
out of them, and memory that is 0 at first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from llvmlite import ir

from . import jit
from .builder import I32, I64, PTR, Code, Target
from .job_list import Job, Word

# The words that the job begins with. It writes to `changed` the sum of `count` numbers at the
# address `numbers`, and copies only if that is 0; then come the words of each copy.
WORDS = ("changed", "numbers", "count", "copies")
# The words of a copy: addresses; rows and their bytes; the address of the number of the row that
# each row is copied to, and of that which it is copied from (0: the row's own number).
FIELDS = ("to", "source", "rows", "bytes", "to_index", "source_index")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Rows to be copied.

    Attributes:
        to: The address of the first row of the result.
        source: The address of the first row that is read; 0 to write zeros.
        rows: The number of rows.
        bytes: Of a row.
        to_index: The address of the number, int64, of the row that each row is copied to; 0 where
            it is the same.
        source_index: The same for the row that each row is copied from.
    """

    to: Word
    source: Word
    rows: int = 1
    bytes: int
    to_index: Word = 0
    source_index: Word = 0

    @property
    def words(self) -> list[Word]:
        return [getattr(self, name) for name in FIELDS]


class Copies(Code):
    """The code, which one thread runs.

    Args:
        target: The processor.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, target: Target):
        super().__init__(32, target)
        self.enter(WORDS)
        b, i64 = self.b, self.i64
        self._copy = self.intrinsic("memcpy", PTR, [PTR, PTR, I64])
        self._fill = self.intrinsic("memset", PTR, [PTR, I32, I64])
        total = [i64(0)]
        with self.loop(0, self.given["count"], carried=total) as k:
            numbers = b.inttoptr(self.given["numbers"], PTR)
            total[0] = b.add(total[0], self.word(numbers, k))
        b.store(total[0], self.words)
        unchanged = b.icmp_signed("==", total[0], i64(0))
        with self.loop(0, b.select(unchanged, self.given["copies"], i64(0))) as k:
            first = b.add(i64(len(WORDS)), b.mul(k, i64(len(FIELDS))))
            copy = {
                name: self.word(self.words, b.add(first, i64(j))) for j, name in enumerate(FIELDS)
            }
            with self.loop(0, copy["rows"]) as row:
                self._row(copy, row)
        b.ret_void()
        self.text = str(self.module)

    def _row(self, copy, row):
        b, i64 = self.b, self.i64
        to = self._address(copy["to"], copy["to_index"], row, copy["bytes"])
        with b.if_else(b.icmp_signed("==", copy["source"], i64(0))) as (zeros, numbers):
            with zeros:
                b.call(self._fill, [to, ir.Constant(I32, 0), copy["bytes"]])
            with numbers:
                source = self._address(copy["source"], copy["source_index"], row, copy["bytes"])
                b.call(self._copy, [to, source, copy["bytes"]])

    def _address(self, start, index, row, width):
        """The address of a row of an array, by its own number or by the one in an index."""
        b = self.b
        with b.if_else(b.icmp_signed("==", index, self.i64(0))) as (own, listed):
            with own:
                before = b.block
            with listed:
                found, after = self.word(b.inttoptr(index, PTR), row), b.block
        number = b.phi(I64)
        number.add_incoming(row, before)
        number.add_incoming(found, after)
        return b.inttoptr(b.add(start, b.mul(number, width)), PTR)


def job(copies: Iterable[Copy], *, numbers: Word = 0, count: int = 0, waits: bool) -> Job:
    """The job that copies if the `count` numbers, int64, at the address `numbers` add up to 0; the
    first of its words is their sum afterwards.
    """
    copies = list(copies)
    words = [0, numbers, count, len(copies), *(word for copy in copies for word in copy.words)]
    return Job(jit.made(Copies), words, 1, waits=waits)
