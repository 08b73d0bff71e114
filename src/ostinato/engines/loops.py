"""The compiled loops of a plan, with the weights as they want them packed."""

import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from ..compiler.plan import Plan, Program
from ..language.graph import Graph
from . import memory
from .kernels import fingerprint as fingerprints
from .kernels import jit, tile_product
from .kernels.job_list import WORTH_A_THREAD
from .kernels.packing import Packer
from .kernels.row_product import Rows
from .kernels.time_loop import APART, EACH, Kernel

# Multiply-adds a step from which threads share the units of one row, meeting at every phase.
WORTH_A_MEETING = 60_000
# Numbers of weights that the second-level cache does not hold: each thread had better read its part
# of them, for a few rows too.
FAR = 250_000
# Multiply-adds from which a product is worth a call outside the loop.
WORTH_A_CALL = 1_000_000
# Sets of packed weights that are kept of each plan.
KEPT = 64


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
        self, scheduled: Sequence[int], at: Mapping[str, int], packed: Sequence[int]
    ) -> list[int]:
        """What the function takes.

        Args:
            scheduled: What `schedule.words` says.
            at: Where the arrays of `storages` lie, and `barrier`, a number that is 0.
            packed: Where the packed matrices lie.
        """
        return [*scheduled, at["barrier"], *[at[name] for name in self.storages], *packed]


class Together:
    """Those who want packed matrices, as one who wants all of them.

    Attributes:
        packs: The matrices, one's after another's; `pack` packs them.
    """

    def __init__(self, users: Sequence[Loop | Rows]):
        self.packs = [pack for user in users for pack in user.packs]
        self.pack = Packer(self.packs)


class Packed:
    """The matrices of some weights as the loops want them.

    Args:
        weights: The weights.
        fingerprint: Of their memory.
        on_release: Called when the memory of one of these is released.
    """

    def __init__(self, weights: Sequence[Tensor], fingerprint: int, on_release: Callable):
        self.fingerprint = fingerprint
        # To the memory, for torch.utils.swap_tensors refuses a parameter that has weak references.
        self._memory = [weakref.ref(w.untyped_storage(), on_release) for w in weights]
        self._packs: dict[object, tuple[Tensor | None, list[int]]] = {}

    def addresses(self, user: Loop | Rows | Together, weights: Mapping[str, Tensor]) -> list[int]:
        """Where the packed matrices lie that one wants; they are packed here if they are not
        yet.
        """
        found = self._packs.get(user)
        if found is None:
            # Another thread may do the same meanwhile: the first one's are everyone's.
            found = self._packs.setdefault(user, user.pack(weights, memory.empty))
        return found[1]


class Loops:
    """A plan with its compiled loops, made as they are first needed."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._loops: dict[tuple, Loop | Rows] = {}
        self._together: dict[tuple, Together] = {}
        self._packed: OrderedDict[tuple, Packed] = OrderedDict()

    def packed(self, weights: Sequence[Tensor], threads: int) -> Packed:
        """The packed form of these matrices, packed again where a number has changed; `threads`
        threads look at most.
        """
        key = tuple([(w.data_ptr(), w.stride()) for w in weights])
        fingerprint = fingerprints.fingerprint([fingerprints.span(w) for w in weights], threads)
        found = self._packed.get(key)
        if found is None or found.fingerprint != fingerprint:
            kept = self._packed  # a callback that held the plan would keep it alive
            found = Packed(weights, fingerprint, lambda _: kept.pop(key, None))
            with jit.making:
                self._packed[key] = found
                if len(self._packed) > KEPT:
                    self._packed.popitem(last=False)
        return found

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

    def together(self, users: Sequence[Loop | Rows]) -> Together:
        """These users as one."""
        key = tuple(users)
        with jit.making:
            if key not in self._together:
                self._together[key] = Together(users)
            return self._together[key]

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
_last: deque[Loops] = deque(maxlen=32)


def loops(graph: Graph, sizes: Mapping[str, int], *, rows: int, steps: int, threads: int) -> Loops:
    """The plan and the kernels of a graph at these sizes, fit for so many rows, steps and threads,
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
