"""LLVM code for one loop of a plan: the time loop, its phases, the register tiles, and the pointwise work on them.

The kernel is one function of one array of 64-bit words (`WORDS`, then a pointer for each storage, then one for each packed
matrix), which every thread calls. A task is a share of the batch's rows, and runs all its steps alone; where there are
fewer rows than threads, the units are shared instead and a barrier ends each phase.

A phase goes over blocks of units, and for each over tiles of rows: the products fill a tile of accumulators in registers,
which pass through the stack to the pointwise work, row by row.
"""

from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

from ..plan import COSTLY, Group, Program, Value
from . import vector_maths

I1, I32, I64, PTR, VOID = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()

# The words every kernel is given before its pointers:
# tasks: their number; table: four words a task (first row, steps, pointer to the active rows at each step, unused);
# tokens: for each row, the token of its first step; advance: tokens from one step to the next;
# before, after: tokens from a step to the state's row before and after it; carried: rows of an old / new buffer;
# barrier: where threads meet.
WORDS = ("tasks", "table", "tokens", "advance", "before", "after", "carried", "barrier")


@dataclass(frozen=True)
class Target:
    """What the code is made for: vector lanes of float32 and the number of vector registers."""

    lanes: int
    registers: int


@dataclass(frozen=True)
class Tile:
    """Rows, and vectors of units, of a register tile."""

    rows: int
    vectors: int


@dataclass(frozen=True)
class Pack:
    """A matrix that a kernel wants packed: blocks of units, then the argument's units, then the parts, then lanes.

    Attributes:
        parts: (weight, transposed, first row, first column) of each block that is multiplied by the same argument.
        size: Rows of each part (units of the result).
        depth: Columns (units of the argument).
        width: Units in a block: vectors times lanes.
    """

    parts: tuple[tuple[str, bool, int, int], ...]
    size: int
    depth: int
    width: int


def choose_tile(products: int, units: int, lanes: int, registers: int, *, one_row: bool) -> Tile:
    """The tile that fills the registers with accumulators and pads the units least."""
    budget = registers - 4
    vectors = -(-units // lanes)

    def waste(v):
        return -(-vectors // v) * v - vectors

    if one_row:
        wanted = max(1, min(vectors, (budget if registers <= 16 else 16) // products))
        return Tile(1, min(range(1, wanted + 1), key=lambda v: (waste(v), -v)))
    options = [Tile(min(8, budget // (products * v)), v) for v in (1, 2, 3, 4) if products * v <= budget and v <= vectors]
    if not options:
        return Tile(1, 1)
    # Loads a multiply-add: one for each vector of weights and one for each row, over their product.
    return min(options, key=lambda t: ((1 + waste(t.vectors) / vectors) * max(1.0, (t.rows + products * t.vectors) / (1.5 * t.rows * products * t.vectors)),
                                       (t.rows + products * t.vectors) / (t.rows * products * t.vectors)))


class Kernel:
    """The code of one loop.

    Args:
        program: The loop.
        bits: 32 or 64: float32 or float64.
        target: The processor.
        descending: True for backward: the last step first.
        one_row: Every task has one row at most.
        shared_units: Threads share the units of a phase, not the rows of the batch.
        openmp: Also make `team(words)`, which an OpenMP team's threads enter.

    Attributes:
        text: The LLVM module.
        storages: The arrays whose pointers the kernel takes, in order.
        packs: The packed matrices whose pointers follow.
        sums: How many sums over units a row has (their scratch is `sum` and `partial`).
    """

    def __init__(self, program: Program, bits: int, target: Target, *, descending: bool, one_row: bool, shared_units: bool,
                 openmp: bool = True):
        self.program, self.bits, self.target = program, bits, target
        self.descending, self.one_row, self.shared_units = descending, one_row, shared_units
        self.elem = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.lanes = target.lanes * 32 // bits
        self.vec = ir.VectorType(self.elem, self.lanes)
        self.bytes = bits // 8
        self.sums = program.buffers["sum"].width if "sum" in program.buffers else 0
        self.storages = list(dict.fromkeys(b.storage for b in program.buffers.values()))
        if self.sums:
            self.storages.append("partial")
        self.packs: list[Pack] = []
        self.module = ir.Module("kernel")
        self._build(openmp)
        self.text = str(self.module)

    # ------------------------------------------------------------ small pieces

    def i64(self, n: int):
        return ir.Constant(I64, n)

    def intrinsic(self, name, result, args):
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, args), name)

    @contextmanager
    def loop(self, start, stop, step=1):
        """for (i = start; i < stop; i += step)"""
        b = self.b
        start, stop = (self.i64(n) if isinstance(n, int) else n for n in (start, stop))
        entry, head = b.block, b.append_basic_block("head")
        body, end = b.append_basic_block("body"), b.append_basic_block("end")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, entry)
        b.cbranch(b.icmp_signed("<", i, stop), body, end)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, self.i64(step)), b.block)
        b.branch(head)
        b.position_at_end(end)

    def at(self, pointer, units):
        """The address `units` elements further."""
        return self.b.gep(pointer, [units if not isinstance(units, int) else self.i64(units)], source_etype=self.elem)

    def word(self, pointer, index):
        index = self.i64(index) if isinstance(index, int) else index
        return self.b.load(self.b.gep(pointer, [index], source_etype=I64), typ=I64)

    def splat(self, scalar):
        one = self.b.insert_element(ir.Constant(self.vec, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(one, ir.Constant(self.vec, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes))

    def constant(self, number):
        return ir.Constant(self.vec, [float(number)] * self.lanes)

    def fma(self, a, b, c):
        name = f"llvm.fma.v{self.lanes}f{self.bits}"
        return self.b.call(self.intrinsic(name, self.vec, [self.vec] * 3), [a, b, c])

    def min64(self, a, b):
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    # ------------------------------------------------------------ the function

    def _build(self, openmp):
        run = ir.Function(self.module, ir.FunctionType(VOID, [PTR, I64, I64]), "run")
        if openmp:
            team = ir.Function(self.module, ir.FunctionType(VOID, [PTR]), "team")
            which = self.intrinsic("omp_get_thread_num", I32, [])
            count = self.intrinsic("omp_get_num_threads", I32, [])
            b = ir.IRBuilder(team.append_basic_block())
            b.call(run, [team.args[0], b.sext(b.call(which, []), I64), b.sext(b.call(count, []), I64)])
            b.ret_void()

        self.b = b = ir.IRBuilder(run.append_basic_block())
        self.words, self.thread, self.threads = run.args
        self.given = {name: self.word(self.words, k) for k, name in enumerate(WORDS)}
        self.bases = {name: b.inttoptr(self.word(self.words, len(WORDS) + k), PTR) for k, name in enumerate(self.storages)}
        self.table = b.inttoptr(self.given["table"], PTR)
        self.tokens = b.inttoptr(self.given["tokens"], PTR)
        # The accumulators of one tile; made as large as the largest group asks.
        self.stack = b.alloca(self.vec, size=self.i64(1), name="tile")
        self.stack_vectors = 1
        if self.shared_units:
            self.met = b.alloca(I64)
            b.store(self.i64(0), self.met)
            self._task(self.i64(0))
        else:
            with self._tasks() as task:
                self._task(task)
        self.b.ret_void()
        self.stack.operands[0] = self.i64(self.stack_vectors)

    @contextmanager
    def _tasks(self):
        b = self.b
        entry, head, body, end = b.block, b.append_basic_block("tasks"), b.append_basic_block("task"), b.append_basic_block("done")
        b.branch(head)
        b.position_at_end(head)
        task = b.phi(I64)
        task.add_incoming(self.thread, entry)
        b.cbranch(b.icmp_signed("<", task, self.given["tasks"]), body, end)
        b.position_at_end(body)
        yield task
        task.add_incoming(b.add(task, self.threads), b.block)
        b.branch(head)
        b.position_at_end(end)

    def _task(self, task):
        b = self.b
        entry = b.mul(task, self.i64(4))
        self.task = task
        self.first = self.word(self.table, entry)
        steps = self.word(self.table, b.add(entry, self.i64(1)))
        active = b.inttoptr(self.word(self.table, b.add(entry, self.i64(2))), PTR)
        with self.loop(0, steps) as k:
            self.step = b.sub(b.sub(steps, self.i64(1)), k) if self.descending else k
            self.rows = self.word(active, self.step)
            self.moved = b.mul(self.step, self.given["advance"])
            odd = b.and_(self.step, self.i64(1))
            even = b.xor(odd, self.i64(1))
            old, new = (even, odd) if self.descending else (odd, even)
            self.turn = {"old": b.mul(old, self.given["carried"]), "new": b.mul(new, self.given["carried"])}
            for level in range(self.program.phases):
                groups = [g for g in self.program.groups if g.level == level]
                for group in groups:
                    self._group(group)
                slots = [slot for g in groups for _, slot in g.sums]
                if slots:
                    self._finish_sums(slots)
                if self.shared_units:
                    self._meet()

    def _meet(self):
        """Wait until every thread is here."""
        b = self.b
        barrier = b.inttoptr(self.given["barrier"], PTR)
        goal = b.add(b.load(self.met, typ=I64), self.threads)
        b.store(goal, self.met)
        b.atomic_rmw("add", barrier, self.i64(1), "acq_rel")
        head, wait, end = b.append_basic_block("meet"), b.append_basic_block("wait"), b.append_basic_block("met")
        start = b.block
        b.branch(head)
        b.position_at_end(head)
        spins = b.phi(I64)
        spins.add_incoming(self.i64(1), start)
        seen = b.load_atomic(barrier, "acquire", 8, typ=I64)
        b.cbranch(b.icmp_signed(">=", seen, goal), end, wait)
        b.position_at_end(wait)
        # A thread that waits long gives its processor to one that may have lost it.
        with b.if_then(b.icmp_signed("==", b.and_(spins, self.i64(4095)), self.i64(0)), likely=False):
            b.call(self.intrinsic("sched_yield", I32, []), [])
        spins.add_incoming(b.add(spins, self.i64(1)), b.block)
        b.branch(head)
        b.position_at_end(end)

    # ------------------------------------------------------------ rows of buffers

    def _row(self, name: str, m):
        """The address of row m of the task, in a buffer."""
        b, buffer = self.b, self.program.buffers[name]
        base, width = self.bases[buffer.storage], self.i64(buffer.width)
        match buffer.rows:
            case "token" | "before" | "after":
                row = self._token(m)
                if buffer.rows != "token":
                    row = b.add(row, self.given[buffer.rows])
            case "old" | "new":
                row = b.add(b.add(self.first, m), self.turn[buffer.rows])
            case "row":
                row = b.add(self.first, m)
            case "added":
                row = self.task
            case "fixed":
                return base
        return self.at(base, b.mul(row, width))

    def _token(self, m):
        return self.b.add(self.word(self.tokens, self.b.add(self.first, m)), self.moved)

    # ------------------------------------------------------------ one group of a phase

    def _group(self, group: Group):
        b, lanes = self.b, self.lanes
        chains = self._chains(group)
        tile = choose_tile(max(1, len(group.products)), group.size, lanes, self.target.registers, one_row=self.one_row)
        packs = []
        for argument, uses in chains:
            pack = Pack(tuple(part for _, part in uses), group.size, argument.size, tile.vectors * lanes)
            self.packs.append(pack)
            packs.append(b.inttoptr(self.word(self.words, len(WORDS) + len(self.storages) + len(self.packs) - 1), PTR))
        vectors = -(-group.size // lanes)
        full, blocks = group.size // lanes, -(-vectors // tile.vectors)
        rows = tile.rows if chains else 1 << 62
        self.stack_vectors = max(self.stack_vectors, len(group.products) * tile.vectors * (tile.rows if chains else 0))
        first, last = self.i64(0), self.i64(blocks)
        if self.shared_units:
            first = b.sdiv(b.mul(last, self.thread), self.threads)
            last = b.sdiv(b.mul(last, b.add(self.thread, self.i64(1))), self.threads)
        with self.loop(first, last) as block:
            at = b.mul(block, self.i64(tile.vectors))
            with self.loop(0, self.rows, rows if chains else 1 << 62) as m:
                here = self.min64(b.sub(self.rows, m), self.i64(rows)) if chains else self.rows
                if chains:
                    self._fill(group, chains, packs, tile, block, m, here)
                whole = self.min64(b.sub(self.i64(full), at), self.i64(tile.vectors))
                with self.loop(0, here) as r:
                    row = b.add(m, r)
                    pointers = {name: self._row(name, row) for name in self._named(group)}
                    with self.loop(0, whole) as v:
                        self._pointwise(group, tile, pointers, r, v, b.add(at, v), None)
                    if group.size % lanes:
                        edge = b.icmp_signed("==", block, self.i64(blocks - 1))
                        with b.if_then(edge):
                            v = self.i64(full - (blocks - 1) * tile.vectors)
                            mask = ir.Constant(ir.VectorType(I1, lanes), [k < group.size % lanes for k in range(lanes)])
                            self._pointwise(group, tile, pointers, r, v, self.i64(full), mask)

    def _chains(self, group: Group):
        """The arguments that the group's products need, and which products use each, with what part of which weight."""
        chains: dict[Value, list] = {}
        for index, product in enumerate(group.products):
            for argument, part in zip(product.args, product.ref):
                chains.setdefault(argument, []).append((index, part))
        return list(chains.items())

    def _home(self, value: Value) -> tuple[str, int]:
        return value.ref if value.op == "read" and self.program.buffers[value.ref[0]].rows != "fixed" else self.program.homes[value]

    def _fill(self, group, chains, packs, tile: Tile, block, m, here):
        """Fill the tile on the stack with the products; one piece of code for each number of rows."""
        b = self.b
        end = b.append_basic_block("filled")
        pieces = [b.append_basic_block(f"rows{n}") for n in range(1, tile.rows + 1)]
        choice = b.switch(here, pieces[-1])
        for n, piece in enumerate(pieces[:-1], 1):
            choice.add_case(self.i64(n), piece)
        for n, piece in enumerate(pieces, 1):
            b.position_at_end(piece)
            sums: dict[tuple[int, int, int], object] = {}
            for (argument, uses), pack in zip(chains, packs):
                name, offset = self._home(argument)
                rows = [self.at(self._row(name, b.add(m, self.i64(r))), offset) for r in range(n)]
                self._multiply(sums, uses, rows, pack, tile, block, argument.size)
            for (r, p, v), total in sums.items():
                b.store(total, self._cell(tile, len(group.products), self.i64(r), p, self.i64(v)))
            b.branch(end)
        b.position_at_end(end)

    def _cell(self, tile: Tile, products: int, r, p: int, v):
        """Where the stack keeps a product's vector: by row, product, vector."""
        index = self.b.add(self.b.mul(r, self.i64(products * tile.vectors)), self.b.add(v, self.i64(p * tile.vectors)))
        return self.b.gep(self.stack, [index], source_etype=self.vec)

    def _multiply(self, sums, uses, rows, pack, tile: Tile, block, depth: int):
        """Add argument times packed weights to the sums: depth goes by, all rows and vectors at once."""
        b, width = self.b, len(uses) * tile.vectors * self.lanes
        base = self.at(pack, b.mul(block, self.i64(depth * width)))
        keys = [(r, p, v) for r in range(len(rows)) for p, _ in uses for v in range(tile.vectors)]
        unroll = min(4, depth)
        # Few accumulators leave the multiply-adds waiting for each other: use several sets, added up at the end.
        sets = max(1, min(unroll, 8 // len(keys)))
        zero = self.constant(0.0)
        current = [{key: sums.get(key, zero) if k == 0 else zero for key in keys} for k in range(sets)]

        def go(k_first, count, start):
            for u in range(count):
                k = b.add(k_first, self.i64(u))
                line = self.at(base, b.mul(k, self.i64(width)))
                into = current[(start + u) % sets]
                broadcast = [self.splat(b.load(self.at(row, k), typ=self.elem)) for row in rows]
                for q, (p, _) in enumerate(uses):
                    for v in range(tile.vectors):
                        w = b.load(self.at(line, (q * tile.vectors + v) * self.lanes), typ=self.vec, align=self.bytes)
                        for r, a in enumerate(broadcast):
                            into[r, p, v] = self.fma(a, w, into[r, p, v])

        rounds = depth // unroll
        if rounds > 1:
            entry, body, end = b.block, b.append_basic_block("depth"), b.append_basic_block("deep")
            b.branch(body)
            b.position_at_end(body)
            k = b.phi(I64)
            k.add_incoming(self.i64(0), entry)
            phis = [{key: b.phi(self.vec) for key in keys} for _ in range(sets)]
            for phi, value in zip(phis, current):
                for key in keys:
                    phi[key].add_incoming(value[key], entry)
            current = [dict(phi) for phi in phis]
            go(k, unroll, 0)
            after = b.add(k, self.i64(unroll))
            k.add_incoming(after, b.block)
            for phi, value in zip(phis, current):
                for key in keys:
                    phi[key].add_incoming(value[key], b.block)
            b.cbranch(b.icmp_signed("<", after, self.i64(rounds * unroll)), body, end)
            b.position_at_end(end)
        else:
            rounds = 0
        go(self.i64(rounds * unroll), depth - rounds * unroll, 0)
        for key in keys:
            total = current[0][key]
            for more in current[1:]:
                total = b.fadd(total, more[key])
            sums[key] = total

    # ------------------------------------------------------------ pointwise work on one vector of units

    def _named(self, group: Group) -> list[str]:
        """The buffers whose rows the pointwise work of a group touches."""
        names, seen = [], set()

        def see(v: Value):
            if v in seen:
                return
            seen.add(v)
            place = self._place(v, group)
            if place:
                names.append(place[0])
            elif v not in group.products:
                for a in v.args:
                    see(a)

        for v, buffer, _ in group.stores:
            see(v)
            names.append(buffer)
        for v, _ in group.sums:
            see(v.args[0])
        if group.sums:
            names.append("sum")
        return list(dict.fromkeys(names))

    def _place(self, v: Value, group: Group) -> tuple[str, int] | None:
        """Where a value is read from, or None where this group works it out."""
        program = self.program
        if v.op == "read":
            return v.ref
        if v.op == "number" or v in group.products:
            return None
        if v.op in ("sum", "product") or program.levels[v] < group.level and v in program.homes:
            return program.homes[v]
        assert program.levels[v] == group.level or v.op not in COSTLY
        return None

    def _pointwise(self, group: Group, tile: Tile, pointers, r, v, vector, mask):
        """The group's values for row r and one vector of units: read, work out, write."""
        b = self.b
        unit = b.mul(vector, self.i64(self.lanes))
        done: dict[Value, object] = {}

        def read(name, offset, size):
            address = self.at(pointers[name], offset)
            if size == 1:
                return self.splat(b.load(address, typ=self.elem))
            return self._load(self.at(address, unit), mask)

        def emit(value: Value):
            if value in done:
                return done[value]
            place = self._place(value, group)
            if place:
                result = read(*place, value.size)
            elif value.op == "number":
                result = self.constant(value.ref)
            elif value in group.products:
                cell = self._cell(tile, len(group.products), r, group.products.index(value), v)
                result = b.load(cell, typ=self.vec)
            elif value.op == "spread":
                result = emit(value.args[0])
            else:
                result = self._operation(value.op, [emit(a) for a in value.args], value)
            done[value] = result
            return result

        results = [(emit(value), buffer, offset) for value, buffer, offset in group.stores]
        parts = [(emit(value.args[0]), slot) for value, slot in group.sums]
        for result, buffer, offset in results:
            address = self.at(self.at(pointers[buffer], offset), unit)
            if self.program.buffers[buffer].rows == "added":
                result = b.fadd(self._load(address, mask), result)
            self._store(result, address, mask)
        for result, slot in parts:
            if mask is not None:
                result = b.select(mask, result, self.constant(0.0))
            address = self._partial(pointers["sum"], slot)
            b.store(b.fadd(b.load(address, typ=self.vec, align=self.bytes), result), address, align=self.bytes)

    def _load(self, address, mask):
        if mask is None:
            return self.b.load(address, typ=self.vec, align=self.bytes)
        name = f"llvm.masked.load.v{self.lanes}f{self.bits}.p0"
        load = self.intrinsic(name, self.vec, [PTR, I32, mask.type, self.vec])
        return self.b.call(load, [address, ir.Constant(I32, self.bytes), mask, self.constant(0.0)])

    def _store(self, value, address, mask):
        if mask is None:
            self.b.store(value, address, align=self.bytes)
            return
        name = f"llvm.masked.store.v{self.lanes}f{self.bits}.p0"
        store = self.intrinsic(name, VOID, [self.vec, PTR, I32, mask.type])
        self.b.call(store, [value, address, ir.Constant(I32, self.bytes), mask])

    def _operation(self, op, args, value):
        b, zero, one = self.b, self.constant(0.0), self.constant(1.0)
        match op, args:
            case "add", (x, y):
                return self._fused(value, args) or b.fadd(x, y)
            case "sub", (x, y):
                return b.fsub(x, y)
            case "mul", (x, y):
                return b.fmul(x, y)
            case "div", (x, y):
                return b.fdiv(x, y)
            case "neg", (x,):
                return b.fneg(x)
            case "relu", (x,):
                return b.select(b.fcmp_ordered("<=", x, zero), zero, x)
            case "abs", (x,):
                return b.call(self.intrinsic(f"llvm.fabs.v{self.lanes}f{self.bits}", self.vec, [self.vec]), [x])
            case "less", (x, y):
                return b.fcmp_ordered("<", x, y)
            case "where", (condition, x, y):
                return b.select(condition, x, y)
            case "maximum", (x, y):
                return b.select(b.fcmp_ordered("<", x, y), y, x)
            case "minimum", (x, y):
                return b.select(b.fcmp_ordered("<", y, x), y, x)
            case "hard_sigmoid", (x,):
                line = self.fma(x, self.constant(1 / 6), self.constant(0.5))
                line = b.select(b.fcmp_ordered("<", line, zero), zero, line)
                return b.select(b.fcmp_ordered("<", one, line), one, line)
            case _, (x,):
                return vector_maths.emit(b, op, x)

    def _fused(self, value, args):
        """A product and a sum in one instruction, where one of the two is a product that was just made."""
        for k, a in enumerate(value.args):
            if a.op == "mul" and isinstance(args[k], ir.Instruction) and args[k].opname == "fmul":
                x, y = args[k].operands
                return self.fma(x, y, args[1 - k])
        return None

    # ------------------------------------------------------------ sums over units

    def _partial(self, sum_row, slot: int):
        """Where a row adds up one sum, lane by lane; found from the row's place in the buffer `sum`."""
        b = self.b
        offset = b.sub(b.ptrtoint(sum_row, I64), b.ptrtoint(self.bases["sum"], I64))
        row = self.b.inttoptr(b.add(b.ptrtoint(self.bases["partial"], I64), b.mul(offset, self.i64(self.lanes))), PTR)
        return self.at(row, slot * self.lanes)

    def _finish_sums(self, slots: list[int]):
        """Add up the lanes of each sum, and clear them for the next step."""
        b = self.b
        with self.loop(0, self.rows) as m:
            row = self._row("sum", m)
            for slot in slots:
                address = self._partial(row, slot)
                vector = b.load(address, typ=self.vec, align=self.bytes)
                b.store(self.constant(0.0), address, align=self.bytes)
                lanes = self.lanes
                while lanes > 1:
                    half = [*range(lanes // 2, lanes), *([0] * (self.lanes - lanes + lanes // 2))][: self.lanes]
                    moved = b.shuffle_vector(vector, ir.Constant(self.vec, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), half))
                    vector = b.fadd(vector, moved)
                    lanes //= 2
                b.store(b.extract_element(vector, ir.Constant(I32, 0)), self.at(row, slot), align=self.bytes)
