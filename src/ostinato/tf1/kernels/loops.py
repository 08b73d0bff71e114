"""Private: compiled loops over float32 numbers, in the order in which TensorFlow 1.13.1 computes
them.

Vectors have eight numbers on every processor, as an AVX register has; the compiler splits them
where the processor's are shorter. Nothing is fused or reordered.
"""

import ctypes
import functools
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from ...engines.kernels import jit
from ...engines.kernels.builder import I32, I64, PTR, VOID, Code, Target
from . import registers

__all__ = ["address", "compiled"]

_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()
_REGISTER = 8
# Rows and columns of a matrix product that are summed side by side.
_ROWS, _COLUMNS = 4, 16


def address(x: np.ndarray) -> int:
    """Where an array's numbers begin."""
    return x.__array_interface__["data"][0]


@functools.cache
def compiled() -> dict[str, Callable] | None:
    """The loops by name; None where the processor has no vector unit that kernels use.

    - "exp" and the other names of `registers.FUNCTIONS` (x, y, rows, columns): y = f(x), where the
      last columns % 8 numbers of each row are computed as the rest of an array.
    - "product" (a, b, c, m, n, k, block, row, column): c = a @ b, each sum one after another along
      blocks of k, the sums of blocks added in turn. `row` and `column` are the steps of a; b and c
      are contiguous.
    - "columns" (a, b, c, m, n, k, block, step): the sums of Eigen's last columns: a (m, k) and b,
      transposed, (n, k) are contiguous; c has rows of `step` numbers.
    - "dots" (a, v, c, m, k): c = a @ v by registers along k.
    - "sums" (x, y, rows, columns, step): the sums of rows by registers; the rows of x are `step`
      numbers apart.
    """
    if jit.host()[0] is None:
        return None
    binary, functions = _binary()
    return {
        name: ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)(binary[name])
        for name, arguments in functions.items()
    }


@functools.cache
def _binary() -> tuple[jit.Compiled, dict[str, int]]:
    """The machine code, which is never freed, and the number of arguments of each function."""
    target, _ = jit.host()
    assert target is not None, "compiled() asks first"
    code = _LoopCode(target)
    return jit.Compiled(str(code.module), *code.functions), code.functions


class _LoopVector:
    """A vector, with the operators of a NumPy array."""

    def __init__(self, arithmetic: "_Arithmetic", value: Any):
        self.arithmetic, self.value = arithmetic, value

    @property
    def element(self) -> Any:
        return self.value.type.element

    def _pair(self, other: Any) -> tuple[Any, Any]:
        return self.value, self.arithmetic.value(other, self.element)

    def _arithmetic(self, name: str, other: Any, swapped: bool = False) -> "_LoopVector":
        a, b = self._pair(other)
        if isinstance(self.element, ir.IntType):
            name = {"fadd": "add", "fsub": "sub", "fmul": "mul"}.get(name, name)
        a, b = (b, a) if swapped else (a, b)
        return _LoopVector(self.arithmetic, getattr(self.arithmetic.code.b, name)(a, b))

    def _compare(self, sign: str, other: Any) -> "_LoopVector":
        a, b = self._pair(other)
        whole = isinstance(self.element, ir.IntType)
        build = self.arithmetic.code.b
        compare = build.icmp_signed if whole else build.fcmp_ordered
        return _LoopVector(self.arithmetic, compare(sign, a, b))

    def __add__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fadd", other)

    def __sub__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fsub", other)

    def __rsub__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fsub", other, swapped=True)

    def __mul__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fmul", other)

    def __truediv__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fdiv", other)

    def __rtruediv__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("fdiv", other, swapped=True)

    def __and__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("and_", other)

    def __or__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("or_", other)

    def __xor__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("xor", other)

    def __lshift__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("shl", other)

    def __rshift__(self, other: Any) -> "_LoopVector":
        return self._arithmetic("ashr", other)

    def __lt__(self, other: Any) -> "_LoopVector":
        return self._compare("<", other)

    def __gt__(self, other: Any) -> "_LoopVector":
        return self._compare(">", other)

    def __ge__(self, other: Any) -> "_LoopVector":
        return self._compare(">=", other)

    def __eq__(self, other: Any) -> "_LoopVector":  # type: ignore[override]
        return self._compare("==", other)

    __hash__ = None  # type: ignore[assignment]


class _Arithmetic:
    """The arithmetic of `registers` in compiled code; see `registers.NumPyArithmetic`."""

    def __init__(self, code: Code):
        self.code = code

    def value(self, x: Any, element: Any) -> Any:
        """A vector, or a constant as one."""
        if isinstance(x, _LoopVector):
            return x.value
        if isinstance(element, ir.IntType):
            x = x - 2**element.width if x >= 2 ** (element.width - 1) else x
        elif element == _FLOAT:  # rounded here, since LLVM would write the digits of a double
            x = float(np.float32(x))
        return ir.Constant(
            ir.VectorType(element, self.code.vector_width), [x] * self.code.vector_width
        )

    def select(self, condition: Any, yes: Any, no: Any) -> _LoopVector:
        element = next((v.element for v in (yes, no) if isinstance(v, _LoopVector)), _FLOAT)
        a, b = self.value(yes, element), self.value(no, element)
        return _LoopVector(self, self.code.b.select(condition.value, a, b))

    def _call(self, name: str, x: _LoopVector) -> _LoopVector:
        kind = x.value.type
        name = f"llvm.{name}.v{self.code.vector_width}{'f32' if x.element == _FLOAT else 'f64'}"
        return _LoopVector(
            self, self.code.b.call(self.code.intrinsic(name, kind, [kind]), [x.value])
        )

    def floor(self, x: _LoopVector) -> _LoopVector:
        return self._call("floor", x)

    def nearest(self, x: _LoopVector) -> _LoopVector:
        return self._call("rint", x)

    def root(self, x: _LoopVector) -> _LoopVector:
        return self._call("sqrt", x)

    def _cast(self, instruction: str, x: _LoopVector, element: Any) -> _LoopVector:
        kind = ir.VectorType(element, self.code.vector_width)
        return _LoopVector(self, getattr(self.code.b, instruction)(x.value, kind))

    def bits(self, x: _LoopVector) -> _LoopVector:
        return self._cast("bitcast", x, I32)

    def number(self, bits: _LoopVector) -> _LoopVector:
        return self._cast("bitcast", bits, _FLOAT)

    def whole(self, x: _LoopVector) -> _LoopVector:
        return self._cast("fptosi", x, I32)

    def real(self, n: _LoopVector) -> _LoopVector:
        return self._cast("sitofp", n, _FLOAT)

    def double(self, x: _LoopVector) -> _LoopVector:
        return self._cast("sitofp" if x.element == I32 else "fpext", x, _DOUBLE)

    def single(self, x: _LoopVector) -> _LoopVector:
        return self._cast("fptrunc", x, _FLOAT)

    def table(self, name: str, index: _LoopVector) -> _LoopVector:
        numbers = registers.tables()[name]
        element = _FLOAT if numbers.dtype == np.float32 else _DOUBLE
        known = self.code.module.globals.get(name)
        if known is None:
            kind = ir.ArrayType(element, len(numbers))
            known = ir.GlobalVariable(self.code.module, kind, name)
            known.initializer = ir.Constant(kind, [float(x) for x in numbers])
            known.linkage, known.global_constant = "internal", True
        found = ir.Constant(ir.VectorType(element, self.code.vector_width), ir.Undefined)
        for k in range(self.code.vector_width):
            place = ir.Constant(I32, k)
            at = self.code.b.gep(
                known, [self.code.b.extract_element(index.value, place)], source_etype=element
            )
            found = self.code.b.insert_element(found, self.code.b.load(at, typ=element), place)
        return _LoopVector(self, found)


class _LoopCode(Code):
    """The code of all loops.

    Attributes:
        functions: The number of arguments of each function by name.
    """

    def __init__(self, target: Target):
        super().__init__(32, target)
        self.functions: dict[str, int] = {}
        with self.vectors_of(_REGISTER):
            for name, function in registers.FUNCTIONS.items():
                with self._function(name, 4) as (x, y, rows, columns):
                    self._elementwise(function, x, y, rows, columns)
            with self._function("columns", 8) as given:
                self._last_columns(*given)
            with self._function("dots", 5) as given:
                self._dots(*given)
            with self._function("sums", 5) as given:
                self._sums(*given)
        with self.vectors_of(_COLUMNS), self._function("product", 9) as given:
            self._product(*given)

    @contextmanager
    def _function(self, name: str, arguments: int):
        kind = ir.FunctionType(VOID, [I64] * arguments)
        function = ir.Function(self.module, kind, name)
        self.functions[name] = arguments
        self.b = ir.IRBuilder(function.append_basic_block())
        yield function.args
        self.b.ret_void()

    def _pointer(self, word: Any) -> Any:
        return self.b.inttoptr(word, PTR)

    def _elementwise(self, function: Any, x: Any, y: Any, rows: Any, columns: Any):
        b, m = self.b, _Arithmetic(self)
        whole = b.and_(columns, self.i64(-_REGISTER))
        mask = self.below(b.sub(columns, whole))
        with self.loop(0, rows) as row:
            start = b.mul(row, columns)
            source, to = self.at(self._pointer(x), start), self.at(self._pointer(y), start)
            with self.loop(0, whole, _REGISTER) as i:
                found = function.register(m, _LoopVector(m, self.load(self.at(source, i))))
                self.store(found.value, self.at(to, i))
            with b.if_then(b.icmp_signed("<", whole, columns)):
                rest = _LoopVector(m, self.load(self.at(source, whole), mask))
                found = function.rest(m, rest)
                self.store(found.value, self.at(to, whole), mask)

    def _product(self, a, b, c, m, n, k, block, row, column):
        matrices = [self._pointer(word) for word in (a, b, c)]
        build = self.b
        sizes = (n, k, block, row, column)
        whole_rows = build.sub(m, build.srem(m, self.i64(_ROWS)))
        whole_columns = build.and_(n, self.i64(-_COLUMNS))
        rest = self.below(build.sub(n, whole_columns))
        for first, end, mask in ((0, whole_columns, None), (whole_columns, n, rest)):
            with self.loop(first, end, _COLUMNS) as j:
                with self.loop(0, whole_rows, _ROWS) as i:
                    self._tile(_ROWS, matrices, sizes, i, j, mask)
                with self.loop(whole_rows, m) as i:
                    self._tile(1, matrices, sizes, i, j, mask)

    def _tile(self, rows: int, matrices, sizes, i, j, mask=None):
        """The sums of some rows, and of the columns of one vector."""
        build, (a, b, c), (n, k, block, row, column) = self.b, matrices, sizes
        first = [self.at(a, build.mul(build.add(i, self.i64(r)), row)) for r in range(rows)]
        totals = [self.constant(0.0)] * rows
        with self.loop(0, k, block, totals) as start:
            end = self.min64(build.add(start, block), k)
            sums = [self.constant(0.0)] * rows
            with self.loop(start, end, carried=sums) as t:
                factors = self.load(self.at(b, build.add(build.mul(t, n), j)), mask)
                step = build.mul(t, column)
                for r in range(rows):
                    x = self.splat(build.load(self.at(first[r], step), typ=_FLOAT))
                    sums[r] = build.fadd(sums[r], build.fmul(x, factors))
            totals[:] = [build.fadd(t, s) for t, s in zip(totals, sums)]
        for r in range(rows):
            place = build.add(build.mul(build.add(i, self.i64(r)), n), j)
            self.store(totals[r], self.at(c, place), mask)

    def _element(self, vector: Any, k: int) -> Any:
        return self.b.extract_element(vector, ir.Constant(I32, k))

    def _number(self, pointer: Any, index: Any) -> Any:
        return self.b.load(self.at(pointer, index), typ=_FLOAT)

    def _accumulate(self, a, b, start, end) -> Any:
        """Products of two rows summed by registers."""
        total = [self.constant(0.0)]
        with self.loop(start, end, _REGISTER, total) as t:
            product = self.b.fmul(self.load(self.at(a, t)), self.load(self.at(b, t)))
            total[0] = self.b.fadd(total[0], product)
        return total[0]

    def _total(self, accumulators: Any) -> Any:
        """The sum of a register."""
        build = self.b
        half = [
            build.fadd(self._element(accumulators, q), self._element(accumulators, q + 4))
            for q in range(4)
        ]
        return build.fadd(build.fadd(half[0], half[2]), build.fadd(half[1], half[3]))

    def _sums(self, x, y, rows, columns, step):
        build = self.b
        whole = build.and_(columns, self.i64(-_REGISTER))
        with self.loop(0, rows) as i:
            row, accumulators = self.at(self._pointer(x), build.mul(i, step)), [self.constant(0.0)]
            with self.loop(0, whole, _REGISTER, accumulators) as k:
                accumulators[0] = build.fadd(accumulators[0], self.load(self.at(row, k)))
            rest = [ir.Constant(_FLOAT, 0.0)]
            with self.loop(whole, columns, carried=rest) as k:
                rest[0] = build.fadd(rest[0], self._number(row, k))
            total = build.fadd(rest[0], self._total(accumulators[0]))
            build.store(total, self.at(self._pointer(y), i))

    def _last_columns(self, a, b, c, m, n, k, block, step):
        build = self.b
        a, b, c = (self._pointer(word) for word in (a, b, c))
        with self.loop(0, m) as i, self.loop(0, n) as j:
            x, y = self.at(a, build.mul(i, k)), self.at(b, build.mul(j, k))
            total = [ir.Constant(_FLOAT, 0.0)]
            with self.loop(0, k, block, total) as start:
                end = self.min64(build.add(start, block), k)
                total[0] = build.fadd(total[0], self._last_column(x, y, start, end))
            build.store(total[0], self.at(c, build.add(build.mul(i, step), j)))

    def _last_column(self, x, y, start, end):
        """One sum: four pairs of accumulators, then one pair, then the last product."""
        build = self.b
        whole = build.add(start, build.and_(build.sub(end, start), self.i64(-_REGISTER)))
        even = build.add(start, build.and_(build.sub(end, start), self.i64(-2)))
        accumulators = self._accumulate(x, y, start, whole)
        pair = []
        for q in range(2):
            low = build.fadd(self._element(accumulators, q), self._element(accumulators, q + 2))
            high = build.fadd(
                self._element(accumulators, q + 4), self._element(accumulators, q + 6)
            )
            pair.append(build.fadd(low, high))
        with self.loop(whole, even, 2, pair) as t:
            for q in range(2):
                at = build.add(t, self.i64(q))
                product = build.fmul(self._number(x, at), self._number(y, at))
                pair[q] = build.fadd(pair[q], product)
        total = [build.fadd(*pair)]
        with self.loop(even, end, carried=total) as t:
            product = build.fmul(self._number(x, t), self._number(y, t))
            total[0] = build.fadd(total[0], product)
        return total[0]

    def _dots(self, a, v, c, m, k):
        build = self.b
        a, v, c = (self._pointer(word) for word in (a, v, c))
        whole = build.and_(k, self.i64(-_REGISTER))
        with self.loop(0, m) as i:
            x = self.at(a, build.mul(i, k))
            total = [self._total(self._accumulate(x, v, self.i64(0), whole))]
            with self.loop(whole, k, carried=total) as t:
                product = build.fmul(self._number(x, t), self._number(v, t))
                total[0] = build.fadd(total[0], product)
            build.store(total[0], self.at(c, i))
