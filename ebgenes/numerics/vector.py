"""Exponential, logarithm and a difference of log Gammas that compilers can vectorize.

The C library's versions are calls, which keep a loop over lanes scalar; these are plain arithmetic on the
bits of a float (IEEE 754), so that a loop that calls them runs eight lanes at a time where the machine can.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ebgenes.numerics.jit import inlined


@intrinsic
def bits_of(typing_context: Any, x: Any) -> Any:
    """The bits of a float as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def float_of(typing_context: Any, bits: Any) -> Any:
    """The float that an integer's bits spell."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _apart(builder: Any) -> Any:
    """The mark by which the compiler knows `fetch` and `put` apart."""
    module = builder.module
    domain = module.add_metadata(["ebgenes"])
    return module.add_metadata([module.add_metadata(["ebgenes.fetch", domain])])


@intrinsic
def fetch(typing_context: Any, array: Any, i: Any) -> Any:
    """array[i] of a contiguous array, 0 <= i, where nothing that is `put` in the same loop stands.

    The compiler cannot see that of places read off a table, and would not vectorize the loop.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        value = builder.load(builder.gep(data, [arguments[1]]))
        value.set_metadata("alias.scope", _apart(builder))
        return value

    return array.dtype(array, types.intp), generate


@intrinsic
def put(typing_context: Any, array: Any, i: Any, value: Any) -> Any:
    """array[i] = value, of a contiguous array, 0 <= i, that nothing in the same loop will `fetch`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        stored = builder.store(arguments[2], builder.gep(data, [arguments[1]]))
        stored.set_metadata("noalias", _apart(builder))
        return context.get_dummy_value()

    return types.none(array, types.intp, array.dtype), generate


# log 2 in two parts, the first short enough that its small multiples are exact.
LOG2_HIGH = 0.693147180369123816490
LOG2_LOW = 1.90821492927058770002e-10
# Adding 1.5 * 2^52 to a float rounds it to a whole number, which its last bits then spell.
ROUND = 6755399441055744.0
BITS_OF_ONE = 4607182418800017408
BITS_OF_ROOT_HALF = 4604544271217802189
BITS_OF_TWO_52 = 4841369599423283200
EXPONENT_MASK = 9218868437227405312
EXPONENT_OFFSET = 4611686018427387904


@inlined
def exp(x):
    """e^x to 5e-16 relative; x is cut to [-700, 700]."""
    x = min(max(x, -700.0), 700.0)
    rounded = x * 1.4426950408889634 + ROUND
    n = rounded - ROUND
    r = (x - n * LOG2_HIGH) - n * LOG2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * float_of((bits_of(rounded) << 52) + BITS_OF_ONE)


@inlined
def log(x):
    """Natural log to 2e-16 of max(1, |log x|), for positive normal x."""
    shifted = bits_of(x) - BITS_OF_ROOT_HALF + EXPONENT_OFFSET
    exponent = float_of((shifted >> 52) | BITS_OF_TWO_52) - 4503599627371520.0
    f = float_of(bits_of(x) - ((shifted & EXPONENT_MASK) - EXPONENT_OFFSET)) - 1.0
    # log(1 + f) = 2 artanh(f/(2 + f)), |f/(2 + f)| < .172.
    s = f / (2.0 + f)
    w = s * s
    p = 1.0 / 21.0
    p = p * w + 1.0 / 19.0
    p = p * w + 1.0 / 17.0
    p = p * w + 1.0 / 15.0
    p = p * w + 1.0 / 13.0
    p = p * w + 1.0 / 11.0
    p = p * w + 1.0 / 9.0
    p = p * w + 1.0 / 7.0
    p = p * w + 1.0 / 5.0
    p = p * w + 1.0 / 3.0
    return exponent * LOG2_HIGH + (2.0 * s + (2.0 * s * w * p + exponent * LOG2_LOW))


@inlined
def _stirling(z):
    """log Gamma(z) - (z - 1/2) log z + z - log(2 pi)/2 for z >= 8, to 6e-12."""
    inverse = 1.0 / z
    square = inverse * inverse
    return inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)))


@inlined
def _rising(z):
    """z (z + 1) ... (z + 7)."""
    return (z * (z + 7.0)) * ((z + 1.0) * (z + 6.0)) * (((z + 2.0) * (z + 5.0)) * ((z + 3.0) * (z + 4.0)))


@inlined
def lowest_terms(r):
    """What `log_rising` needs of r alone: 1/(r + 8), Stirling's series at r + 8, 1/(r ... (r + 7)), log(1 + 8/r)."""
    far = r + 8.0
    return 1.0 / far, _stirling(far), 1.0 / _rising(r), log(1.0 + 8.0 / r)


@inlined
def log_rising(y, r, inverse_far, series_far, inverse_rising, log_shift):
    """log Gamma(y + r) - log Gamma(r) - y log r, for y >= 0 and 0 < r < 1e30; the rest from `lowest_terms`.

    Written in y/r, so that nothing cancels as r grows; Stirling's series is taken 8 further up.
    """
    far = r + 8.0
    return (
        (y + far - 0.5) * log(1.0 + y * inverse_far)
        - log(_rising(y + r) * inverse_rising)
        + y * (log_shift - 1.0)
        + (_stirling(y + far) - series_far)
    )
