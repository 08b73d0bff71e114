"""Interim: exp, log, tanh, sigmoid, softplus and sqrt as straight-line vector code."""

import math

from llvmlite import ir


def emit(b, name, x):
    vec, n = x.type, x.type.count
    single = isinstance(vec.element, ir.FloatType)
    bits = 32 if single else 64
    integer = ir.VectorType(ir.IntType(bits), n)

    def c(v):
        return ir.Constant(vec, [v] * n)

    def ci(v):
        return ir.Constant(integer, [v] * n)

    def call(op, *args):
        full = f"llvm.{op}.v{n}f{bits}"
        f = b.module.globals.get(full) or ir.Function(b.module, ir.FunctionType(vec, [vec] * len(args)), full)
        return b.call(f, args)

    def poly(u, coefficients):
        total = c(coefficients[0])
        for k in coefficients[1:]:
            total = call("fma", total, u, c(k))
        return total

    mantissa, bias = (23, 127) if single else (52, 1023)

    def exp(v):
        low, high = (-104.0, 89.0) if single else (-746.0, 710.0)
        inside = b.select(b.fcmp_ordered("<", v, c(low)), c(low), v)
        inside = b.select(b.fcmp_ordered(">", inside, c(high)), c(high), inside)
        k = call("rint", b.fmul(inside, c(1 / math.log(2))))
        hi, lo = (0.693359375, -2.12194440e-4) if single else (6.93147180369123816490e-01, 1.90821492927058770002e-10)
        r = call("fma", k, c(-lo), call("fma", k, c(-hi), inside))
        y = poly(r, [1 / math.factorial(i) for i in range(7 if single else 13, -1, -1)])
        e = b.fptosi(k, integer)
        half = b.ashr(e, ci(1))
        for part in (half, b.sub(e, half)):
            y = b.fmul(y, b.bitcast(b.shl(b.add(part, ci(bias)), ci(mantissa)), vec))
        return b.select(b.fcmp_unordered("uno", v, v), v, y)

    one = c(1.0)
    if name == "exp":
        return exp(x)
    if name == "sqrt":
        return call("sqrt", x)
    if name == "sigmoid":
        return b.fdiv(one, b.fadd(one, exp(b.fneg(x))))
    if name == "tanh":
        a = call("fabs", x)
        big = b.fsub(one, b.fdiv(c(2.0), b.fadd(exp(b.fadd(a, a)), one)))
        small_a = b.select(b.fcmp_ordered("<", a, c(0.5)), a, c(0.0))
        u = b.fmul(small_a, small_a)
        # Lambert's continued fraction.
        p, q = c(0.0), c(1.0)
        t = c(27.0 if not single else 15.0)
        for k in range(25 if not single else 13, 0, -2):
            t = b.fadd(c(float(k)), b.fdiv(u, t))
        small = b.fdiv(small_a, t)
        y = b.select(b.fcmp_ordered("<", a, c(0.5)), small, big)
        return call("copysign", y, x)
    if name == "log":
        tiny = b.fcmp_ordered("<", x, c(1.1754944e-38 if single else 2.2250738585072014e-308))
        shift = 25.0 if single else 54.0
        scaled = b.select(tiny, b.fmul(x, c(2.0**shift)), x)
        raw = b.bitcast(scaled, integer)
        base = ci(0x3F3504F3 if single else 0x3FE6A09E667F3BCD)
        e = b.ashr(b.sub(raw, base), ci(mantissa))
        m = b.bitcast(b.sub(raw, b.shl(e, ci(mantissa))), vec)
        k = b.fadd(b.sitofp(e, vec), b.select(tiny, c(-shift), c(0.0)))
        s = b.fdiv(b.fsub(m, one), b.fadd(m, one))
        u = b.fmul(s, s)
        y = b.fmul(b.fadd(s, s), poly(u, [1 / i for i in range(11 if single else 27, 0, -2)]))
        y = call("fma", k, c(math.log(2)), y)
        y = b.select(b.fcmp_ordered("==", x, c(0.0)), c(-math.inf), y)
        y = b.select(b.fcmp_ordered("==", x, c(math.inf)), x, y)
        return b.select(b.fcmp_unordered("<", x, c(0.0)), c(math.nan), y)
    if name == "softplus":
        t = exp(b.fneg(call("fabs", x)))
        v = b.fadd(one, t)
        log1p = b.select(b.fcmp_ordered("==", v, one), t, b.fmul(emit(b, "log", v), b.fdiv(t, b.select(b.fcmp_ordered("==", v, one), one, b.fsub(v, one)))))
        return b.fadd(b.select(b.fcmp_ordered("<", x, c(0.0)), c(0.0), x), log1p)
    raise KeyError(name)
