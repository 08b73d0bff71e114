"""Private: the compiled loops of a plan, with their packed weights."""

import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..compiler.plan import Plan, Program
from ..language.graph import Graph
from . import memory
from .kernels import jit, tile_product
from .kernels.job_list import Word
from .kernels.packing import Packer
from .kernels.row_product import Rows
from .kernels.time_loop import APART, EACH, Kernel
from .kernels.tuning import FAR, LAST_PLANS, WORTH_A_CALL, WORTH_A_MEETING, WORTH_A_THREAD
from .weight_cache import Users, WeightCache


class Loop:
    """One compiled loop.

    Attributes:
        function: Its machine code, which lasts as long as this.
        storages: The arrays whose addresses `words` is given, those that it needs for itself last.
        packs: The matrices that it wants packed, and `pack` packs them.
    """

    def __init__(
        self, program: Program, bits: int, *, descending: bool, one_row: bool, shared_units: bool
    ):
        target, _ = jit.host()
        self.program = program
        self.shared_units = shared_units
        with memory.no_collecting():  # the code's many small objects would set it off
            kernel = Kernel(
                program,
                bits,
                target,
                descending=descending,
                one_row=one_row,
                shared_units=shared_units,
            )
        self.packs, self.storages, self._scratch = kernel.packs, kernel.storages, kernel.scratch
        self.pack = Packer(self.packs)
        for chunk, height in kernel.products:
            tile_product.make(bits, target, chunk, height)
        self.function = jit.Compiled(kernel.text, "run")

    def scratch(self, rows: int, tasks: int, threads: int) -> dict[str, int]:
        """How many numbers a run needs of each array of its own; `partial` is to be 0 at first."""
        rows += tasks * APART
        each = {
            name: rows * (threads if name in EACH and self.shared_units else 1)
            for name in self._scratch
        }
        return {name: width * each[name] for name, width in self._scratch.items()}

    def words(
        self,
        scheduled: Sequence[Word],
        address: Callable[[str], Word],
        packed: Sequence[Word],
    ) -> list[Word]:
        """The words of the function.

        Args:
            scheduled: The result of `schedule.words`.
            address: Gives the address of each array of `storages`, and of `barrier`, a number that
                is 0.
            packed: The addresses of the packed matrices.
        """
        return [*scheduled, *map(address, ("barrier", *self.storages)), *packed]


class Loops:
    """A plan with its compiled loops, compiled when they are first needed.

    Args:
        plan: The plan.

    Attributes:
        plan: The plan.
        weights: The packed weights of its layers.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self._loops: dict[tuple, Loop | Rows] = {}
        self._users: dict[tuple, Users] = {}
        self.weights = WeightCache()

    def loop(self, kind: str, bits: int, *, one_row: bool, shared_units: bool) -> Loop:
        key = kind, bits, one_row, shared_units
        with jit.making:
            if key not in self._loops:
                self._loops[key] = Loop(
                    getattr(self.plan, kind),
                    bits,
                    descending=kind == "backward",
                    one_row=one_row,
                    shared_units=shared_units,
                )
            return self._loops[key]

    def users(self, users: Sequence[Loop | Rows]) -> Users:
        """These users of packed matrices as one."""
        key = tuple(users)
        with jit.making:
            if key not in self._users:
                self._users[key] = Users(users)
            return self._users[key]

    def rows(self, weight: str, transposed: bool, size: int, depth: int, bits: int) -> Rows:
        """The product of many rows by a matrix of these sizes."""
        key = "rows", weight, transposed, bits
        with jit.making:
            if key not in self._loops:
                self._loops[key] = Rows(weight, transposed, size, depth, bits)
            return self._loops[key]

    def split(self, kind: str, rows: int, steps: int, threads: int) -> tuple[int, bool]:
        """How many threads run a loop, and whether they share units rather than rows."""
        program: Program = getattr(self.plan, kind)
        work = _work(program)
        if threads == 1 or work * rows * steps < WORTH_A_THREAD:
            return 1, False
        few = rows < threads or rows <= 6 * threads and _products(program) >= FAR
        if few and work * rows >= WORTH_A_MEETING and not any(g.sums for g in program.groups):
            return threads, True
        return min(threads, rows), False


def _work(program: Program) -> int:
    """Multiply-adds of one row and step; a pointwise operation counts as a few."""
    return _products(program) + sum(20 * g.size for g in program.groups)


def _products(program: Program) -> int:
    """Multiply-adds of the products of one row and step, which is how many numbers of weights they
    read.
    """
    return sum(v.size * a.size for g in program.groups for v in g.products for a in v.args)


def multiply_adds(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Those of the products of one row and step."""
    return sum(
        n.size.at(sizes) * n.args[0].size.at(sizes) for n in graph.nodes if n.op == "product"
    )


# Plans, by graph, sizes and `ahead`, for as long as a call uses them: equal cells share them.
_made: weakref.WeakValueDictionary[tuple, Loops] = weakref.WeakValueDictionary()
# The last ones that were made, in use or not: a cell that is defined again finds its kernels.
_last: deque[Loops] = deque(maxlen=LAST_PLANS)


def loops(graph: Graph, sizes: Mapping[str, int], *, rows: int, steps: int, threads: int) -> Loops:
    """The plan and the kernels of a graph at these sizes, fit for these rows, steps and threads,
    which are freed once no call uses them.

    A thread with several rows uses a weight that it reads for all of them, so all products are made
    in the loop; one with a single row would read all weights at every step, and has what needs no
    state made for all steps at once.
    """
    ahead = rows <= threads and rows * steps * multiply_adds(graph, sizes) >= WORTH_A_CALL
    key = graph.key, tuple(sorted(sizes.items())), ahead
    with jit.making:
        found = _made.get(key)
        if found is None:
            # A copy, so that a plan does not keep the graph of a deleted cell alive, by which its
            # calls are found.
            found = _made[key] = Loops(Plan(replace(graph), sizes, ahead=ahead))
            _last.append(found)
        return found
