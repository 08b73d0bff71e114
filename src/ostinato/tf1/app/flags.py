"""Private: the command line of a program (tf.app.flags, tf.app.run)."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ...errors import InputError

__all__ = [
    "DEFINE_bool",
    "DEFINE_boolean",
    "DEFINE_enum",
    "DEFINE_float",
    "DEFINE_integer",
    "DEFINE_list",
    "DEFINE_string",
    "FLAGS",
    "FlagValues",
    "mark_flag_as_required",
    "mark_flags_as_required",
    "run",
]

_TRUE, _FALSE = ("true", "t", "1", "yes"), ("false", "f", "0", "no")


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("give true or false")


class _Flag:
    def __init__(
        self,
        name: str,
        default: Any,
        help: str | None,  # noqa: A002
        parse: Callable,
        kind: str,
        required: bool = False,
    ):
        self.name, self.help, self.parse, self.kind = name, help or "", parse, kind
        self.default = self.value = default
        self.required = required


class FlagValues:
    """The flags of a program, as attributes. The command line is read when the first value is
    asked for, or by `tf.app.run`.
    """

    def __init__(self) -> None:
        self.__dict__["_flags"] = dict[str, _Flag]()
        self.__dict__["_parsed"] = False

    def _define(self, flag: _Flag) -> None:
        if flag.name in self._flags:
            raise InputError(
                f"The flag {flag.name!r} is defined twice: remove one of the two definitions"
            )
        self._flags[flag.name] = flag

    def __call__(self, argv: Sequence[str], known_only: bool = False) -> list[str]:
        """Read a command line, the name of the program first.

        Args:
            argv: The command line.
            known_only: Whether unknown flags are returned with the other arguments.

        Returns:
            The arguments that are not flags, the name of the program first.

        Raises:
            InputError: A flag is unknown, or its value is not of its type.
        """
        self.__dict__["_parsed"] = True
        rest, given = list(argv[:1]), list(argv[1:])
        while given:
            argument = given.pop(0)
            if argument == "--":
                rest += given
                break
            name, equals, text = argument.lstrip("-").partition("=")
            name = name.replace("-", "_") if name.replace("-", "_") in self._flags else name
            if not argument.startswith("-") or argument == "-":
                rest.append(argument)
                continue
            negated = name.startswith("no") and self._is_boolean(name[2:])
            if name not in self._flags and not negated:
                if name in ("help", "h", "helpfull", "helpshort"):
                    self._help(argv[0] if argv else "")
                if not known_only:
                    raise InputError(
                        f"Unknown command line flag {name!r}: the flags are "
                        + ", ".join(f"--{n}" for n in sorted(self._flags))
                    )
                rest.append(argument)
                continue
            flag = self._flags[name[2:] if negated and name not in self._flags else name]
            if negated and name not in self._flags:
                flag.value = False
                continue
            if not equals:
                if flag.kind == "boolean":
                    flag.value = True
                    continue
                if not given:
                    raise InputError(f"Missing value for flag --{flag.name}: --{flag.name}=VALUE")
                text = given.pop(0)
            flag.value = self._parse(flag, text)
        missing = [f"--{f.name}" for f in self._flags.values() if f.required and f.value is None]
        if missing:
            raise InputError(f"Flag {', '.join(missing)} must have a value other than None")
        return rest

    def _is_boolean(self, name: str) -> bool:
        return name in self._flags and self._flags[name].kind == "boolean"

    @staticmethod
    def _parse(flag: _Flag, text: str) -> Any:
        try:
            return flag.parse(text)
        except ValueError as error:
            raise InputError(
                f"flag --{flag.name}={text}: {error}; give a value of type {flag.kind}"
            ) from None

    def _help(self, program: str) -> NoReturn:
        print(f"flags of {program}:")
        for f in sorted(self._flags.values(), key=lambda f: f.name):
            print(f"  --{f.name}: {f.help} ({f.kind}, default: {f.default!r})")
        raise SystemExit(0)

    def __getattr__(self, name: str) -> Any:
        if name == "__flags":  # programs print it
            return self._flags
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._flags:
            raise AttributeError(
                f"unknown flag {name!r}: define it with tf.app.flags.DEFINE_string and others"
            )
        if not self._parsed:
            self(sys.argv, known_only=True)
        return self._flags[name].value

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._flags:
            raise AttributeError(f"unknown flag {name!r}: define it first")
        self._flags[name].value = value

    def __getitem__(self, name: str) -> _Flag:
        return self._flags[name]

    def __contains__(self, name: str) -> bool:
        return name in self._flags

    def __iter__(self) -> Iterable[str]:
        return iter(sorted(self._flags))

    def __dir__(self) -> list[str]:
        return sorted(self._flags)

    def _parse_flags(self, args: Sequence[str] | None = None) -> None:
        # Programs before TensorFlow 1.5 call this.
        self([sys.argv[0], *args] if args is not None else sys.argv, known_only=True)

    def flag_values_dict(self) -> dict[str, Any]:
        """The values of all flags by name."""
        return {n: getattr(self, n) for n in sorted(self._flags)}

    def append_flag_values(self, values: "FlagValues") -> None:
        """Add the flags of another set."""
        for flag in values._flags.values():
            self._define(flag)


FLAGS = FlagValues()


def _define(
    name: str,
    default: Any,
    help: str | None,  # noqa: A002
    parse: Callable,
    kind: str,
    **to: Any,
) -> None:
    flag = _Flag(name, default, help, parse, kind, to["required"])
    if isinstance(default, str) and kind != "string":
        flag.default = flag.value = FlagValues._parse(flag, default)
    to["flag_values"]._define(flag)


def _within(parse: Callable, lower_bound: Any, upper_bound: Any) -> Callable:
    """A parser that refuses numbers outside of bounds."""

    def checked(text: str) -> Any:
        value = parse(text)
        low = lower_bound is not None and value < lower_bound
        if low or (upper_bound is not None and value > upper_bound):
            bounds = f"{lower_bound} to {upper_bound}".replace("None", "any")
            raise ValueError(f"the value should be in the range {bounds}")
        return value

    return checked


def DEFINE_string(  # noqa: N802
    name: str,
    default: str | None,
    help: str | None,  # noqa: A002
    flag_values: FlagValues = FLAGS,
    required: bool = False,
    **args: Any,
) -> None:
    """Define a flag of type string.

    Args:
        name: The name, as in --name.
        default: The value where the command line has none.
        help: A description.
        flag_values: The set of flags.
        required: Whether a command line without the flag is refused.
        **args: Accepted for compatibility; ignored.
    """
    _define(name, default, help, str, "string", flag_values=flag_values, required=required)


def _of_numbers(kind: str, parse: Callable) -> Callable:
    def define(
        name: str,
        default: Any,
        help: str | None,  # noqa: A002
        lower_bound: Any = None,
        upper_bound: Any = None,
        flag_values: FlagValues = FLAGS,
        required: bool = False,
        **args: Any,
    ) -> None:
        bounded = _within(parse, lower_bound, upper_bound)
        _define(name, default, help, bounded, kind, flag_values=flag_values, required=required)

    define.__name__ = define.__qualname__ = f"DEFINE_{kind}"
    define.__doc__ = f"""Define a flag of type {kind}.

    Args:
        name, default, help, flag_values, required: See `DEFINE_string`.
        lower_bound, upper_bound: The smallest and the largest value; None for any.
        **args: Accepted for compatibility; ignored.
    """
    return define


def DEFINE_boolean(  # noqa: N802
    name: str,
    default: Any,
    help: str | None,  # noqa: A002
    flag_values: FlagValues = FLAGS,
    module_name: str | None = None,
    required: bool = False,
    **args: Any,
) -> None:
    """Define a flag that is true or false: --name or --noname.

    Args:
        name, default, help, flag_values, required: See `DEFINE_string`.
        module_name: Accepted for compatibility; ignored.
        **args: Accepted for compatibility; ignored.
    """
    _define(name, default, help, _boolean, "boolean", flag_values=flag_values, required=required)


DEFINE_bool = DEFINE_boolean
DEFINE_integer = _of_numbers("integer", lambda text: int(text, 0))
DEFINE_float = _of_numbers("float", float)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


def DEFINE_list(  # noqa: N802
    name: str,
    default: Any,
    help: str | None,  # noqa: A002
    flag_values: FlagValues = FLAGS,
    required: bool = False,
    **args: Any,
) -> None:
    """Define a flag that is a list of texts, with commas between them; see `DEFINE_string`."""
    _define(name, default, help, _list, "list", flag_values=flag_values, required=required)


def DEFINE_enum(  # noqa: N802
    name: str,
    default: str | None,
    enum_values: Sequence[str],
    help: str | None,  # noqa: A002
    flag_values: FlagValues = FLAGS,
    module_name: str | None = None,
    required: bool = False,
    **args: Any,
) -> None:
    """Define a flag with one of several values.

    Args:
        name, default, help, flag_values, required: See `DEFINE_string`.
        enum_values: The values.
        module_name: Accepted for compatibility; ignored.
        **args: Accepted for compatibility; ignored.
    """

    def parse(text: str) -> str:
        if text not in enum_values:
            raise ValueError(f"value should be one of {', '.join(enum_values)}")
        return text

    flag_values._define(_Flag(name, default, help, parse, "enum", required))


def mark_flag_as_required(name: str) -> None:
    """Refuse a command line without this flag."""
    FLAGS[name].required = True


def mark_flags_as_required(names: Iterable[str]) -> None:
    """Refuse a command line without these flags."""
    for name in names:
        mark_flag_as_required(name)


def run(main: Callable | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line and call the program's main function; then exit.

    Args:
        main: Takes the arguments that are not flags; None for the function `main` of the program.
        argv: The command line; None for sys.argv.
    """
    rest = FLAGS(sys.argv if argv is None else argv, known_only=True)
    main = main or sys.modules["__main__"].main
    sys.exit(main(rest))
