"""Private: rows of float32 made pairs of bfloat16, as the processor's instructions for these take
them; only where these are used.
"""

from llvmlite import ir

from . import jit
from .builder import I32, PTR, Code, Target
from .job_list import Job, Word

# The words of the kernel: addresses, of the tokens' list too; how many tokens; units; numbers from
# one token to the next.
WORDS = ("out", "x", "tokens", "count", "units", "width")


class Pairs(Code):
    """The code: rounds the units of two tokens and writes them alternately; a last one alone is
    paired with 0.

    Args:
        target: The processor.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, target: Target):
        super().__init__(16, target)
        self.enter(WORDS)
        b, i64, given = self.b, self.i64, self.given
        x, out, tokens = (b.inttoptr(given[name], PTR) for name in ("x", "out", "tokens"))
        count = b.lshr(b.add(given["count"], i64(1)), i64(1))
        first, last = self.share(count)
        pairs, sixteen = ir.VectorType(I32, self.vector_width), self.splat(ir.Constant(I32, 16))
        with self.loop(first, last) as k:
            places = [b.shl(k, i64(1)), b.add(b.shl(k, i64(1)), i64(1))]
            low, high = (
                self.at(x, b.mul(self.word(tokens, place), given["width"])) for place in places
            )
            both = b.icmp_signed("<", places[1], given["count"])
            row = self.at(out, b.mul(k, given["units"]))
            with self.loop(0, given["units"], self.vector_width) as n:
                left = b.sub(given["units"], n)
                mask, further = self.below(left), self.below(b.select(both, left, i64(0)))
                halves = [
                    b.zext(self.to_bfloat16(self.load(self.at(of, n), m)), pairs)
                    for of, m in ((low, mask), (high, further))
                ]
                self.store(
                    b.bitcast(b.or_(halves[0], b.shl(halves[1], sixteen)), self.vec),
                    self.at(row, n),
                    mask,
                )
        b.ret_void()
        self.text = str(self.module)


def pairs(
    out: Word, units: int, x: tuple[Word, int], tokens: tuple[Word, Word], threads: int
) -> Job:
    """The job that puts the tokens' units together two by two, rounded to bfloat16.

    Args:
        out: The address of the result: in each float32 a unit of two tokens, and for an odd number
            of tokens at last of one and 0.
        units: Of a token.
        x: The address of the first token's units, and how many numbers further the next one's are.
        tokens: The address of the tokens' numbers, int64, and one more; and how many there are.
        threads: How many run.
    """
    return Job(jit.made(Pairs), [out, x[0], *tokens, units, x[1]], threads)
