"""Private: the text form of messages, as in the file `checkpoint` and in .pbtxt files."""

import re
from typing import Any

import numpy as np

from .protobuf import ENUMS, Field, Malformed, Message

__all__ = ["from_text", "to_text"]

_ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<name>[A-Za-z_][\w./]*)|(?P<number>[-+]?[\d.][\w.+-]*)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<mark>[-{}<>\[\]:,;])"""
)
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11}
_DEEPEST = 64


def _quoted(value: Any) -> str:
    data = value.encode() if isinstance(value, str) else value
    return (
        '"'
        + "".join(
            _ESCAPES.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}")  # fmt: skip
            for b in data
        )
        + '"'
    )


def _scalar(field: Field, value: Any) -> str:
    if field.kind in ("string", "bytes"):
        return _quoted(value)
    if field.kind == "bool":
        return "true" if value else "false"
    if field.kind in ENUMS:
        return ENUMS[field.kind].get(value, str(value))
    if field.kind == "float":
        return str(np.float32(value))  # the shortest digits of a float32
    return str(value)


def _lines(message: Message, indent: str) -> list[str]:
    lines: list[str] = []

    def nested(name: str, child: Message) -> None:
        lines.extend([f"{indent}{name} {{", *_lines(child, indent + "  "), f"{indent}}}"])

    for field, value in message.ListFields():
        if field.mapped:
            for key in sorted(value):
                lines.append(f"{indent}{field.name} {{")
                lines.append(f"{indent}  key: {_quoted(key)}")
                if field.message is None:
                    lines.append(f"{indent}  value: {_quoted(value[key])}")
                else:
                    lines.append(f"{indent}  value {{")
                    lines.extend([*_lines(value[key], indent + "    "), f"{indent}  }}"])
                lines.append(f"{indent}}}")
        elif field.message is not None:
            for child in value if field.repeated else [value]:
                nested(field.name, child)
        else:
            for one in value if field.repeated else [value]:
                lines.append(f"{indent}{field.name}: {_scalar(field, one)}")
    return lines


def to_text(message: Message) -> str:
    """A message as text, one field a line."""
    return "".join(line + "\n" for line in _lines(message, ""))


def _unquoted(token: str) -> bytes:
    def one(match: re.Match) -> str:
        code = match[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 255)
        return chr(_LETTERS[code]) if code in _LETTERS else code

    # Each byte is one character, so that escapes of bytes and UTF-8 mix.
    return _ESCAPED.sub(one, token[1:-1].encode().decode("latin-1")).encode("latin-1")


class _TextReader:
    def __init__(self, text: str):
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                line = text.count("\n", 0, at) + 1
                raise Malformed(f"line {line} is not the text of a message")
            if match.lastgroup:
                self.tokens.append((match.lastgroup, match[0]))
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def next(self) -> tuple[str, str]:
        if self.at == len(self.tokens):
            raise Malformed("the text ends inside a message")
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, mark: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] == ("mark", mark):
            self.at += 1
            return True
        return False

    def message(self, message: Message, end: str, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise Malformed(f"messages are nested more than {_DEEPEST} deep")
        while self.peek() != end:
            _, name = self.next()
            field = message.FIELDS.get(name)
            if field is None:
                raise Malformed(f"{type(message).__name__} has no field {name!r}")
            colon = self.accept(":")
            if colon and self.accept("["):
                while not self.accept("]"):
                    self.field(message, field, depth)
                    self.accept(",")
            elif not colon and field.message is None:
                raise Malformed(f"{name} has no value")
            else:
                self.field(message, field, depth)
            self.accept(",") or self.accept(";")
        if end:
            self.next()

    def field(self, message: Message, field: Field, depth: int) -> None:
        if field.mapped:
            key, child = self.pair(field, depth)
            getattr(message, field.name)[key] = child
        elif field.message is not None:
            child = field.message()
            self.inner(child, depth)
            if field.repeated:
                getattr(message, field.name).append(child)
            else:
                setattr(message, field.name, child)
        elif field.repeated:
            getattr(message, field.name).append(self.scalar(field))
        else:
            setattr(message, field.name, self.scalar(field))

    def inner(self, message: Message, depth: int) -> None:
        _, mark = self.next()
        if mark not in ("{", "<"):
            raise Malformed(f"{mark!r} stands where '{{' is expected")
        self.message(message, "}" if mark == "{" else ">", depth + 1)

    def pair(self, field: Field, depth: int) -> tuple[str, Any]:
        _, mark = self.next()
        end = {"{": "}", "<": ">"}.get(mark)
        if end is None:
            raise Malformed(f"{mark!r} stands where '{{' is expected")
        key = ""
        child: Any = "" if field.message is None else field.message()
        while self.peek() != end:
            _, name = self.next()
            self.accept(":")
            if name == "key":
                key = self.text().decode(errors="replace")
            elif name == "value" and isinstance(child, Message):
                self.inner(child, depth + 1)
            elif name == "value":
                child = self.text().decode(errors="replace")
            else:
                raise Malformed(f"{field.name} has the field {name!r}")
        self.next()
        return key, child

    def text(self) -> bytes:
        kind, token = self.next()
        if kind != "text":
            raise Malformed(f"{token!r} stands where a text in quotes is expected")
        data = _unquoted(token)
        while self.at < len(self.tokens) and self.tokens[self.at][0] == "text":
            data += _unquoted(self.next()[1])
        return data

    def scalar(self, field: Field) -> Any:
        if field.kind in ("string", "bytes"):
            data = self.text()
            return data if field.kind == "bytes" else data.decode(errors="replace")
        minus = self.accept("-")
        _, token = self.next()
        try:
            if field.kind in ENUMS:
                numbers = {name: number for number, name in ENUMS[field.kind].items()}
                return numbers[token] if token in numbers else int(token)
            if field.kind == "bool":
                return {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}[
                    token.lower()
                ]
            if field.kind in ("float", "double"):
                value = float(token.rstrip("fF") if token[0].isdigit() else token)
            else:
                value = int(token, 0)
        except (ValueError, KeyError):
            raise Malformed(f"{field.name} is {token!r}, not a {field.kind}") from None
        return -value if minus else value


def from_text(message: type[Message], text: str) -> Any:
    """The message of a text.

    Raises:
        Malformed: The text is not such a message.
    """
    found = message()
    reader = _TextReader(text)
    reader.message(found, "")
    if reader.at < len(reader.tokens):
        raise Malformed(f"{reader.peek()!r} stands where a field is expected")
    return found
