"""Private: a C header and source file from their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .code import Sizes
from .support import Support, literal, wrapped

_SOURCE = """\
{comment}
#include "{name}.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

{tables}
{helpers}
{functions}
#ifdef {NAME}_SELFTEST
{selftest}
#endif
"""
_HEADER = """\
{comment}
#ifndef {NAME}_H
#define {NAME}_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif

{macros}

{types}
{prototypes}
#ifdef {NAME}_SELFTEST
/* The number of results that differ from those that were recorded at the export; prints each. */
int {name}_selftest(void);
#endif

#ifdef __cplusplus
}}
#endif

#endif
"""
_SELFTEST = """\
#include <stdio.h>

{tables}
static int {name}_compare(const char *what, const float *found, const float *wanted, size_t count,
                          float tolerance)
{{
    int wrong = 0;
    size_t k;
    for (k = 0; k < count; k++)
        if (!(fabsf(found[k] - wanted[k]) <= tolerance)) {{
            printf("%s[%lu] is %.9g and should be %.9g\\n", what, (unsigned long)k,
                   (double)found[k], (double)wanted[k]);
            wrong++;
        }}
    return wrong;
}}

int {name}_selftest(void)
{{
{body}
}}

#ifdef {NAME}_SELFTEST_MAIN
int main(void)
{{
    const int wrong = {name}_selftest();
    printf(wrong ? "%d results are wrong\\n" : "all results are right\\n", wrong);
    return wrong != 0;
}}
#endif
"""


@dataclass(frozen=True)
class CFile:
    """A header and a source file of one name.

    Attributes:
        name: The name, with which all their functions and types begin.
        title: Lines of the comment at the top.
        sizes: Memory and work, which the comment states.
        macros: The value of each macro of the header, by its name after `NAME_`.
        types: The types of the header.
        prototypes: The declarations of the public functions, each with a comment.
        functions: The definitions of all functions.
        support: Their helper functions and tables.
        selftest: The statements of the self-test, which returns the number of wrong results. They
            may call `compare(what, found, wanted, count, tolerance)` with the name before it.
        expected: The tables of the self-test, by name.
    """

    name: str
    title: Sequence[str]
    sizes: Sizes
    macros: Mapping[str, str]
    types: str
    prototypes: str
    functions: str
    support: Support
    selftest: str
    expected: Mapping[str, np.ndarray]

    @property
    def header(self) -> str:
        """The content of NAME.h."""
        macros = [f"#define {self._upper}_{key} {value}" for key, value in self.macros.items()]
        return _HEADER.format(
            comment=_comment([*self.title, "", *_described(self.sizes)]),
            name=self.name,
            NAME=self._upper,
            macros="\n".join(macros),
            types=self.types,
            prototypes=self.prototypes,
        )

    @property
    def source(self) -> str:
        """The content of NAME.c."""
        return _SOURCE.format(
            comment=_comment([*self.title, "", *_described(self.sizes)]),
            name=self.name,
            NAME=self._upper,
            tables="\n".join(self.support.tables),
            helpers=self.support.functions(),
            functions=self.functions,
            selftest=self._selftest(),
        )

    @property
    def _upper(self) -> str:
        return self.name.upper()

    def _selftest(self) -> str:
        tables = [
            f"static const float {self.name}_{key}[{array.size}] = "
            f"{{\n{wrapped([literal(n) for n in array.ravel()])}\n}};\n"
            for key, array in self.expected.items()
        ]
        body = "\n".join(f"    {line}" for line in self.selftest.splitlines())
        return _SELFTEST.format(
            name=self.name, NAME=self._upper, tables="\n".join(tables), body=body
        )


def _described(sizes: Sizes) -> list[str]:
    """Lines that state memory and work."""
    rows = {
        "flash": f"{sizes.flash:,} bytes of constant tables, plus the code",
        "RAM": f"{sizes.state:,} bytes of state, and up to {sizes.stack:,} bytes of stack",
        "work": f"{sizes.multiplications:,} multiplications and {sizes.calls:,} calls of <math.h> "
        "for each step",
    }
    return [f"{name}: {text}" for name, text in rows.items()]


def _comment(lines: Sequence[str]) -> str:
    """Lines as a C comment; they cannot end it."""
    safe = [line.replace("*/", "* /").replace("/*", "/ *") for line in lines]
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in safe), " */"])
