"""A script that uses tasks as C code: only Python's standard library, no ostinato.

    python c_models.py TASK LIBRARY INPUTS

The library is the compiled source, with the functions of the name `model`. The inputs are JSON. It
prints the answers as JSON.
"""

import ctypes
import json
import sys

POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t
# Enough scratch memory and state for the models of the tests.
MEMORY = 1 << 22


class Value(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("value", "low", "high", "low_95", "high_95")]


def memory():
    return ctypes.create_string_buffer(MEMORY)


def names(library, table: str, count: int) -> list[str]:
    return [text.decode() for text in (ctypes.c_char_p * count).in_dll(library, table)]


def classify(library, given) -> list[str]:
    labels, found = names(library, "model_labels", given["labels"]), []
    for row in given["rows"]:
        if isinstance(row, str):
            text = row.encode()
            number = library.model_predict(text, SIZE(len(text)), memory(), None)
        else:
            x = [number for step in row for number in step]
            x = (ctypes.c_float * len(x))(*x)
            number = library.model_predict(x, SIZE(len(row)), memory(), None)
        found.append(labels[number])
    return found


def tag(library, given) -> list[list[str]]:
    tags, found = names(library, "model_tags", given["labels"]), []
    for row in given["rows"]:
        words, numbers = [word.encode() for word in row], (ctypes.c_int * len(row))()
        sentence = (ctypes.c_char_p * len(row))(*words)
        longest = SIZE(max(map(len, words)))
        library.model_predict(sentence, SIZE(len(row)), longest, memory(), numbers)
        found.append([tags[number] for number in numbers])
    return found


def generate(library, given) -> list[str]:
    library.model_token.restype = POINTER
    found, state, size = [], memory(), SIZE()
    library.model_init(state)
    for prompt in given["rows"]:
        text, logits = prompt.encode(), (ctypes.c_float * given["labels"])()
        tokens = (ctypes.c_int * len(text))()
        count = library.model_encode(text, SIZE(len(text)), tokens, SIZE(len(text)), memory())
        library.model_reset(state)
        for token in tokens[:count]:
            library.model_step(state, token, logits)
        written = b""
        for _ in range(given["steps"]):
            token = library.model_sample(logits, ctypes.c_double(0), ctypes.c_double(0))
            written += ctypes.string_at(library.model_token(token, ctypes.byref(size)), size.value)
            library.model_step(state, token, logits)
        found.append(written.decode())
    return found


def forecast(library, given) -> list[list[float]]:
    found, state = [], memory()
    library.model_init(state, 0)
    for value in given["rows"]:
        forecasts = (Value * given["steps"])()
        library.model_predict(state, SIZE(given["steps"]), memory(), forecasts)
        found.append([number for one in forecasts for number in (one.value, one.low, one.high)])
        library.model_add(state, (ctypes.c_double * 1)(value))
    return found


if __name__ == "__main__":
    task, path, inputs = sys.argv[1:]
    with open(inputs, encoding="utf-8") as file:
        given = json.load(file)
    print(json.dumps(globals()[task](ctypes.CDLL(path), given)))
    assert "ostinato" not in sys.modules
