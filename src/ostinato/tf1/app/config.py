"""Private: options of sessions that have no effect here, and small parts of other namespaces."""

import json
import tempfile
from typing import Any, NamedTuple

from ...errors import InputError

__all__ = [
    "ClusterDef",
    "ConfigProto",
    "DeviceAttributes",
    "GPUOptions",
    "GraphOptions",
    "HParams",
    "ModeKeys",
    "OptimizerOptions",
    "RewriterConfig",
    "RunMetadata",
    "RunOptions",
    "as_bytes",
    "as_str",
    "as_text",
    "get_temp_dir",
    "gpu_device_name",
    "is_built_with_cuda",
    "is_gpu_available",
    "list_local_devices",
]


class _IgnoredOptions:
    """Accepts every option, as an argument or as an attribute; none has an effect."""

    def __init__(self, **options: Any):
        self.__dict__.update(options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.__dict__[name] = found = _IgnoredOptions()
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class ConfigProto(_IgnoredOptions):
    """The configuration of a session. It has no effect: there is one device."""


class GPUOptions(_IgnoredOptions):
    """Options of a GPU. They have no effect: there is none."""


class OptimizerOptions(_IgnoredOptions):
    """Options of the graph optimizer. They have no effect."""


class RewriterConfig(_IgnoredOptions):
    """Options of Grappler. They have no effect."""


class GraphOptions(_IgnoredOptions):
    """Options of a graph. They have no effect."""


class RunOptions(_IgnoredOptions):
    """Options of `Session.run`. They have no effect."""

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = range(4)


class RunMetadata(_IgnoredOptions):
    """The trace of `Session.run`. It stays empty."""


class ClusterDef(_IgnoredOptions):
    """The machines of a cluster. They are not used: sessions run on this machine only."""


class ModeKeys:
    """Names of the modes of a model."""

    TRAIN, EVAL, INFER = "train", "eval", "infer"


class HParams:
    """Hyperparameters, as attributes.

    Args:
        hparam_def: A protocol message; not provided.
        model_structure: Accepted for compatibility; ignored.
        **kwargs: The values by name.

    Raises:
        InputError: There is an `hparam_def`, or a name is in use.
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any):
        if hparam_def is not None:
            raise InputError(
                f"hparam_def={hparam_def!r} is not supported: give each value by its name, as in "
                "HParams(num_units=128)"
            )
        self._names: list[str] = []
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add a hyperparameter.

        Raises:
            InputError: The name is in use.
        """
        if hasattr(self, name):
            raise InputError(f"Hyperparameter name is reserved: {name}; give another name")
        self._names.append(name)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Change a hyperparameter."""
        if name not in self._names:
            raise InputError(f"unknown hyperparameter {name!r}: use add_hparam")
        setattr(self, name, value)

    def del_hparam(self, name: str) -> None:
        """Remove a hyperparameter."""
        if name in self._names:
            self._names.remove(name)
            delattr(self, name)

    def get(self, key: str, default: Any = None) -> Any:
        """A hyperparameter, or the default if it does not exist."""
        return getattr(self, key) if key in self._names else default

    def values(self) -> dict[str, Any]:
        """All hyperparameters by name."""
        return {name: getattr(self, name) for name in self._names}

    def override_from_dict(self, values_dict: dict[str, Any]) -> "HParams":
        """Change several hyperparameters."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> "HParams":
        """Change hyperparameters as a JSON text says."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """All hyperparameters as a JSON text; see `json.dumps`."""
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def parse(self, values: str) -> "HParams":
        """Change hyperparameters as a text says: "name=value,name=value"."""
        for part in filter(None, values.split(",")):
            name, equals, text = part.partition("=")
            old = self.get(name.strip())
            if not equals or name.strip() not in self._names:
                raise InputError(f"{part!r} is not NAME=VALUE with a known name")
            kind: Any = type(old)
            value = text.lower() in ("true", "1") if kind is bool else kind(text)
            self.set_hparam(name.strip(), value)
        return self

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def __repr__(self) -> str:
        return f"HParams({self.values()})"


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """A text as bytes."""
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text
    return bytes_or_text.encode(encoding)


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as a text."""
    return bytes_or_text.decode(encoding) if isinstance(bytes_or_text, bytes) else bytes_or_text


as_str = as_text


class DeviceAttributes(NamedTuple):
    """A device: its name, its type, and its memory in bytes."""

    name: str
    device_type: str
    memory_limit: int


def list_local_devices(session_config: Any = None) -> list[DeviceAttributes]:
    """The devices: one CPU, with the memory limit that TensorFlow gives it.

    Args:
        session_config: Accepted for compatibility; ignored.
    """
    return [DeviceAttributes("/device:CPU:0", "CPU", 256 << 20)]


def gpu_device_name() -> str:
    """The name of a GPU: "", for none is used."""
    return ""


def is_gpu_available(*args: Any, **named: Any) -> bool:
    """Whether a GPU is used: False."""
    return False


def is_built_with_cuda() -> bool:
    """Whether GPUs could be used: False."""
    return False


def get_temp_dir() -> str:
    """A directory for temporary files."""
    return tempfile.mkdtemp()
