"""Layers in a row as one torch module: embedding, mask, recurrent layers, dense layers.

Models of other tools that are not tasks become a `LayerStack`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, SizeError, TensorError
from ..nn.lengths import read_lengths
from ..nn.recurrent import Recurrent
from .activations import activated, check_activation
from .layer_specs import (
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    MaskingSpec,
    RecurrentSpec,
    Spec,
    cell_of,
)

__all__ = [
    "ActivationSpec",
    "DenseSpec",
    "EmbeddingSpec",
    "LayerStack",
    "loaded_stack",
    "MaskingSpec",
    "RecurrentSpec",
    "Spec",
]

# ---------------------------------------------------------------- the modules


class EmbeddingPart(nn.Embedding):
    """The module of an `EmbeddingSpec`."""

    def __init__(self, spec: EmbeddingSpec, device: Any = None, dtype: Any = None):
        super().__init__(spec.entries, spec.units, device=device, dtype=dtype)
        self.spec = spec

    # The parts share one interface: a value and its mask, and both again.
    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool or x.dim() != 2:
            raise TensorError(
                f"the ids are {x.dtype} {tuple(x.shape)}; give whole numbers, (batch, time)"
            )
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < self.num_embeddings:
            raise InputError(
                f"the ids go from {int(x.min())} to {int(x.max())}; the embedding has entries 0 to "
                f"{self.num_embeddings - 1}"
            )
        if self.spec.mask_value is not None:
            mask = _both(mask, x != self.spec.mask_value)
        return super().forward(x), mask


class MaskingPart(nn.Module):
    """The module of a `MaskingSpec`."""

    def __init__(self, spec: MaskingSpec, device: Any = None, dtype: Any = None):
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if x.dim() != 3:
            raise SizeError(f"a mask was given {tuple(x.shape)}; it takes (batch, time, units)")
        valid = (x != self.spec.value).any(-1)
        return x * valid[..., None], _both(mask, valid)


class RecurrentPart(nn.Module):
    """The module of a `RecurrentSpec`.

    Attributes:
        layer: The layer.
    """

    def __init__(
        self,
        spec: RecurrentSpec,
        device: Any = None,
        dtype: Any = None,
        *,
        layer: Recurrent | None = None,
    ):
        super().__init__()
        if spec.bidirectional and spec.reverse:
            raise InputError("a layer is bidirectional or reverse, and not both: leave one out")
        if spec.merge != "concat" and not spec.bidirectional:
            raise InputError(f"merge={spec.merge!r} is for two directions; leave it out")
        self.spec = spec
        self.layer = layer if layer is not None else _layer(spec, device, dtype)

    def reset_parameters(self) -> None:
        """Initialise the layer."""
        self.layer.reset_parameters()

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if x.dim() != 3:
            raise SizeError(
                f"a recurrent layer was given {tuple(x.shape)}; it takes (batch, time, units)"
            )
        spec = self.spec
        used = mask
        if spec.reverse:
            x, used = x.flip(1), None if mask is None else mask.flip(1)
        directions = self._outputs(x, used)
        if not spec.sequence:
            # the reverse direction ends at the first step
            directions = [one[:, -1] if not k else one[:, 0] for k, one in enumerate(directions)]
        return _merged(directions, spec.merge), mask if spec.sequence else None

    def _run(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, ...]:
        """The output of each direction of the layer."""
        inputs = x if self.layer.batch_first else x.transpose(0, 1)
        output = self.layer(inputs, None, lengths)[0]
        output = output if self.layer.batch_first else output.transpose(0, 1)
        return output.chunk(self.layer.num_directions, -1)

    def _outputs(self, x: Tensor, mask: Tensor | None) -> list[Tensor]:
        """The output of each direction, (B, T, units). A step that the mask skips has the output
        of the step before it in the direction, or 0 if there is none.
        """
        if mask is None:
            return list(self._run(x, None))
        lengths, steps = mask.sum(1), mask.shape[1]
        # the valid steps of each row first, in their order
        order = torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)
        outputs = self._run(x.gather(1, order[..., None].expand_as(x)), lengths)
        before = mask.cumsum(1)
        places = [before - 1, before - mask.long()][: len(outputs)]
        found = []
        for place, output in zip(places, outputs):
            inside = (place >= 0) & (place < lengths[:, None])
            if self.spec.sequence and self.spec.masked == "zero":
                inside = inside & mask
            index = place.clamp(0, max(steps - 1, 0))[..., None].expand_as(output)
            held = output.gather(1, index)
            found.append(torch.where(inside[..., None], held, held.new_zeros(())))
        return found


class DensePart(nn.Linear):
    """The module of a `DenseSpec`."""

    def __init__(self, spec: DenseSpec, device: Any = None, dtype: Any = None):
        check_activation(spec.activation)
        super().__init__(
            spec.input_size, spec.output_size, bias=spec.bias, device=device, dtype=dtype
        )
        self.spec = spec

    # As in EmbeddingPart.
    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if x.shape[-1] != self.in_features:
            raise SizeError(
                f"a dense layer was given {tuple(x.shape)}; it takes (..., {self.in_features})"
            )
        return activated(self.spec.activation, F.linear(x, self.weight, self.bias)), mask


class ActivationPart(nn.Module):
    """The module of an `ActivationSpec`."""

    def __init__(self, spec: ActivationSpec, device: Any = None, dtype: Any = None):
        check_activation(spec.activation)
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return activated(self.spec.activation, x), mask


Part: TypeAlias = EmbeddingPart | MaskingPart | RecurrentPart | DensePart | ActivationPart
_MODULES: dict[type, Any] = {
    EmbeddingSpec: EmbeddingPart,
    MaskingSpec: MaskingPart,
    RecurrentSpec: RecurrentPart,
    DenseSpec: DensePart,
    ActivationSpec: ActivationPart,
}


def _both(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first & second


def _merged(directions: Sequence[Tensor], merge: str) -> Tensor:
    if len(directions) == 1:
        return directions[0]
    match merge:
        case "concat":
            return torch.cat(list(directions), -1)
        case "sum":
            return directions[0] + directions[1]
        case "ave":
            return (directions[0] + directions[1]) / 2
        case _:
            return directions[0] * directions[1]


def _layer(spec: RecurrentSpec, device: Any, dtype: Any) -> Recurrent:
    try:
        return Recurrent(
            cell_of(spec),
            spec.input_size,
            spec.hidden_size,
            spec.num_layers,
            bidirectional=spec.bidirectional,
            batch_first=spec.batch_first,
            learned_state=spec.learned_state,
            precision=spec.precision,
            sizes=spec.sizes,
            names={weight: tuple(names) for weight, names in spec.names.items()},
            device=device,
            dtype=dtype,
            **spec.regularisers,  # type: ignore[arg-type]
        )
    except TypeError as error:
        raise InputError(
            f"the regularisers {', '.join(spec.regularisers)} cannot be used: {error}"
        ) from error
    except KeyError as error:
        raise InputError(f"names={spec.names} cannot be used: {error.args[0]}") from error


# ---------------------------------------------------------------- the stack


class LayerStack(nn.Module):
    """Layers one after another, with a mask of the steps that recurrent layers skip.

    Args:
        parts: The layers by name, in order: a description of each, or a `Recurrent`.
        notes: What a reader has to say about the model, in sentences.
        device, dtype: Those of the parameters that are created.

    Attributes:
        names: The name of each part.
        parts: The module of each part, with its description as `spec`.
        notes: As given.

    Raises:
        InputError: No part was given, or a description cannot be used.
        SizeError: The sizes of a part and of the next one do not fit.

    Example:
        >>> import torch
        >>> stack = LayerStack(
        ...     {
        ...         "embedding": EmbeddingSpec(7, 4, mask_value=0),
        ...         "lstm": RecurrentSpec("lstm", 4, 5, sequence=False),
        ...         "dense": DenseSpec(5, 2, activation="softmax"),
        ...     }
        ... )
        >>> stack(torch.tensor([[3, 1, 0], [2, 0, 0]])).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        parts: Mapping[str, "Spec | Recurrent"],
        *,
        notes: Sequence[str] = (),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if not parts:
            raise InputError("a stack was given no layers: give one or more")
        modules = []
        for name, one in parts.items():
            if isinstance(one, Recurrent):
                modules.append(RecurrentPart(RecurrentSpec.of(one), layer=one))
            elif type(one) in _MODULES:
                try:
                    modules.append(_MODULES[type(one)](one, device, dtype))
                except (InputError, SizeError) as error:
                    raise InputError(f"the layer {name!r} cannot be used: {error}") from error
            else:
                raise InputError(
                    f"the layer {name!r} is a {type(one).__name__}; give a description of a layer, "
                    "or an ostinato.Recurrent"
                )
        self.names = tuple(parts)
        self.parts = nn.ModuleList(modules)
        self.notes = tuple(notes)
        self._check_chain()

    @classmethod
    def of(cls, model: "LayerStack | Recurrent") -> "LayerStack":
        """The stack of a layer alone, which has the name of its cell; a stack as it is."""
        return cls({model.cell.name: model}) if isinstance(model, Recurrent) else model

    def named_parts(self) -> Iterator[tuple[str, Part]]:
        """Each part's name and module, in order."""
        return zip(self.names, self.parts)  # type: ignore[arg-type]

    def specs(self) -> dict[str, Spec]:
        """Each part's description, by name."""
        return {name: part.spec for name, part in self.named_parts()}

    @property
    def takes_ids(self) -> bool:
        """Whether the input is ids, (B, T), and not numbers, (B, T, units)."""
        return isinstance(self.parts[0], EmbeddingPart)

    @property
    def input_size(self) -> int | None:
        """Units of the input: the number of entries for ids; None if the layers do not say."""
        for part in self.parts:
            match part.spec:
                case (
                    EmbeddingSpec(entries=size)
                    | DenseSpec(input_size=size)
                    | RecurrentSpec(input_size=size)
                ):
                    return size
        return None

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters."""
        return next((p.dtype for p in self.parameters()), torch.float32)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Run all layers.

        Args:
            x: The input: ids, (B, T), if the first layer is an embedding, else (B, T, units).
            lengths: Valid steps of each row: B whole numbers from 0 to T. Recurrent layers skip the
                others.

        Returns:
            The output of the last layer: (B, T, units), or (B, units) after a recurrent layer that
            returns its last step.

        Raises:
            TensorError: The dtype of x does not fit.
            InputError: An id is outside the embedding.
            SizeError: A shape does not fit.
        """
        if x.dim() < 2:
            raise SizeError(f"the input is {tuple(x.shape)}; give (batch, time, ...)")
        if not self.takes_ids and x.dtype != self.dtype:
            raise TensorError(
                f"the input is {x.dtype} and the weights are {self.dtype}: write x.to({self.dtype})"
            )
        mask = None
        if lengths is not None:
            checked = read_lengths(lengths, x.shape[1], x.shape[0], x.device)
            mask = torch.arange(x.shape[1], device=x.device) < checked[:, None]
        for part in self.parts:
            x, mask = part(x, mask)
        return x

    def _check_chain(self) -> None:
        """Check that each part fits the one before."""
        units: int | None = None  # unknown
        sequence = True
        for place, (name, part) in enumerate(self.named_parts()):
            spec = part.spec
            if isinstance(spec, EmbeddingSpec):
                if place:
                    raise InputError(
                        f"the embedding {name!r} is not the first layer; move it there"
                    )
                units = spec.units
                continue
            if isinstance(spec, (RecurrentSpec, DenseSpec)):
                if units not in (None, spec.input_size):
                    raise SizeError(
                        f"the layer {name!r} takes {spec.input_size} units and the layer before it "
                        f"has {units}"
                    )
            if isinstance(spec, (RecurrentSpec, MaskingSpec)) and not sequence:
                raise InputError(
                    f"the layer {name!r} takes a sequence, and a layer before it returns only its "
                    "last step"
                )
            if isinstance(part, RecurrentPart):
                units = part.layer.output_size
                if part.spec.merge != "concat":
                    units //= 2
                sequence = part.spec.sequence
            elif isinstance(spec, DenseSpec):
                units = spec.output_size


def loaded_stack(
    specs: Mapping[str, Spec], weights: Mapping[str, Mapping[str, np.ndarray]]
) -> LayerStack:
    """A stack in evaluation mode, with weights that were read; float64 if all of them are.

    Args:
        specs: The description of each part, by name.
        weights: The weights of each part, by the names of its parameters.

    Raises:
        InputError: A description cannot be used, or its parameters are not the weights.
    """
    dtypes = {array.dtype.name for arrays in weights.values() for array in arrays.values()}
    dtype = torch.float64 if dtypes == {"float64"} else torch.float32
    stack = LayerStack(specs, dtype=dtype)
    with torch.no_grad():
        for name, part in stack.named_parts():
            parameters = dict(getattr(part, "layer", part).named_parameters())
            if parameters.keys() != weights[name].keys():
                raise InputError(
                    f"the layer {name[:80]!r} cannot be read: its weights are not those of its "
                    "configuration"
                )
            for weight, array in weights[name].items():
                parameters[weight].copy_(torch.from_numpy(np.array(array)))
    return stack.eval()
