"""Private: TensorFlow 1.13.1's arithmetic on NumPy arrays: in float32 the same digits, in other
dtypes NumPy's.

TensorFlow 1.13.1's Linux wheel computes float32 with Eigen in AVX registers of eight numbers,
without fused multiply-add, on one thread. A result depends on which numbers share a register, on
the order of sums and, at the end of an array, on the C library. These modules follow that order.

- `registers`, `libm`: Eigen's functions of a register and the C library's, written once for NumPy
  and for compiled loops.
- `loops`: compiled loops over registers and rows.
- `elementwise`, `sums`, `products`: functions of arrays.
- `convolutions`: convolutions, in an order of sums of their own.
- `householder`: the QR decomposition.
- `random`: random numbers and the seeds of operations.
"""

__all__: list[str] = []
