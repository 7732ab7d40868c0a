"""Writes TensorFlow Lite files of float32 or int8 operations with the package flatbuffers alone.

The numbers are codes and slots of version 3 of the schema (tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from numpy.typing import NDArray

IDENTIFIER, VERSION = b"TFL3", 3
FLOAT32, INT32, UINT8, INT8, RESOURCE = 0, 2, 3, 9, 13
KINDS = {np.dtype(np.int32): INT32, np.dtype(np.int8): INT8}
"""Of constants; all others are float32."""
ALIGNMENT = 16
"""Of the data of a tensor in the file, in bytes."""
MOST_OLD_CODE = 127
"""Codes up to here also stand in the slot of earlier versions of the schema."""

Constant = NDArray[Any]
"""Of float32, int32 or int8."""


class Quantised(NamedTuple):
    """What a stored number stands for: `scale * (number - zero_point)`; several scales are those of the slices along
    `axis`."""

    scale: float | NDArray[np.float64]
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True)
class Operation:
    """An operation: its code, the number of its options in the union of them (0: none), of each option the slot and
    the kind, and its version for int8."""

    code: int
    options: int = 0
    slots: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    int8_version: int = 1


_RELU = {"relu": (0, "Int8")}
"""The fused activation; its number of ReLU is 1."""
_CONVOLUTION = {"valid": (0, "Int8"), "stride_width": (1, "Int32"), "stride_height": (2, "Int32")}
"""`valid`: without padding; by the schema's default the size is kept."""
ADD = Operation(0, 11, _RELU)
ASSIGN_VARIABLE = Operation(144)
BATCH_MATMUL = Operation(126, 101, {"transposed_second": (1, "Bool")})
CALL_ONCE = Operation(129, 103, {"graph": (0, "Int32")})
CONCATENATION = Operation(2, 10, {"axis": (0, "Int32")}, 2)
CONV_2D = Operation(3, 1, _CONVOLUTION | {"relu": (3, "Int8")}, 3)
DEPTHWISE_CONV_2D = Operation(4, 2, _CONVOLUTION | {"multiplier": (3, "Int32"), "relu": (4, "Int8")}, 3)
FULLY_CONNECTED = Operation(9, 8, _RELU, 4)
LOGISTIC = Operation(14, int8_version=2)
MEAN = Operation(40, 27, {"keep_dimensions": (0, "Bool")})
MUL = Operation(18, 21, _RELU)
QUANTIZE = Operation(114)
READ_VARIABLE = Operation(143)
RESHAPE = Operation(22)
RSQRT = Operation(76)
SOFTMAX = Operation(25, 9, {"beta": (0, "Float32")})
STRIDED_SLICE = Operation(45, 32, {"begin_mask": (0, "Int32"), "end_mask": (1, "Int32")}, 2)
SUB = Operation(41, 28, _RELU)
TANH = Operation(28)
VAR_HANDLE = Operation(142, 111, {"container": (0, "String"), "name": (1, "String")})


class Step(NamedTuple):
    """An operation of a graph on tensors, with its options."""

    operation: Operation
    version: int
    inputs: list[int]
    outputs: list[int]
    options: Mapping[str, float | str]


@dataclass
class Graph:
    """A graph under construction; tensors are named by their index."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    quantised: dict[int, Quantised] = field(default_factory=dict)
    constants: dict[int, Constant] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def tensor(self, *shape: int, kind: int = FLOAT32, quantised: Quantised | None = None) -> int:
        self.shapes.append(shape)
        self.kinds.append(kind)
        index = len(self.shapes) - 1
        if quantised is not None:
            self.quantised[index] = quantised
        return index

    def constant(self, values: Constant, quantised: Quantised | None = None) -> int:
        """A constant of int32 or int8 when its values are, else of float32."""
        kind = KINDS.get(values.dtype, FLOAT32)
        index = self.tensor(*values.shape, kind=kind, quantised=quantised)
        self.constants[index] = values.astype(np.float32) if kind == FLOAT32 else values
        return index

    def whole_numbers(self, *values: int) -> int:
        """A constant [n] of int32: a shape, an axis, a position."""
        return self.constant(np.array(values, np.int32))

    def apply(
        self,
        operation: Operation,
        inputs: Sequence[int],
        shape: Sequence[int],
        kind: int = FLOAT32,
        quantised: Quantised | None = None,
        **options: float | str,
    ) -> int:
        """The result, of this shape, of an operation on tensors."""
        output = self.tensor(*shape, kind=kind, quantised=quantised)
        self.perform(operation, inputs, [output], **options)
        return output

    def perform(
        self, operation: Operation, inputs: Sequence[int] = (), outputs: Sequence[int] = (), **options: float | str
    ) -> None:
        """An operation, which need not have a result."""
        is_int8 = any(self.kinds[each] == INT8 for each in inputs)
        version = operation.int8_version if is_int8 else 1
        self.steps.append(Step(operation, version, list(inputs), list(outputs), options))

    def to_bytes(self, first: int, last: int, *others: Graph) -> bytes:
        """The file of a graph from the tensor `first` to the tensor `last`; `others` are graphs that it calls."""
        ends: list[tuple[Graph, list[int], list[int]]] = [(self, [first], [last]), *((each, [], []) for each in others)]
        return _File(flatbuffers.Builder(1 << 16)).of_graphs(ends)


@dataclass(frozen=True)
class _File:
    """Builds the tables of the file; each method returns the place of what it wrote."""

    builder: flatbuffers.Builder

    def of_graphs(self, graphs: Sequence[tuple[Graph, list[int], list[int]]]) -> bytes:
        """The file of graphs with their inputs and outputs."""
        codes = list(dict.fromkeys((step.operation.code, step.version) for graph, *_ in graphs for step in graph.steps))
        buffers = [self.buffer(b"")]  # the first is that of all tensors without data
        subgraphs = self.vector([self.subgraph(codes, buffers, *each) for each in graphs])
        opcodes = self.vector([self.opcode(*each) for each in codes])
        fields = [opcodes, subgraphs, self.builder.CreateString("Wakeword Studio"), self.vector(buffers)]
        model = self.table(
            [(0, "Uint32", VERSION), *((slot, "UOffsetTRelative", place) for slot, place in enumerate(fields, 1))]
        )
        self.builder.Finish(model, file_identifier=IDENTIFIER)
        return bytes(self.builder.Output())

    def subgraph(
        self, codes: list[tuple[int, int]], buffers: list[int], graph: Graph, inputs: list[int], outputs: list[int]
    ) -> int:
        """A graph; the data of its constants are appended to the buffers."""
        tensors = []
        for index in range(len(graph.shapes)):
            constant = graph.constants.get(index)
            if constant is not None:
                buffers.append(self.buffer(constant.tobytes()))
            tensors.append(self.tensor(graph, index, 0 if constant is None else len(buffers) - 1))
        operators = self.vector([self.operator(codes, step) for step in graph.steps])
        fields = [self.vector(tensors), self.numbers(inputs), self.numbers(outputs), operators]
        return self.table([(slot, "UOffsetTRelative", place) for slot, place in enumerate(fields)])

    def table(self, fields: Sequence[tuple[int, str, float]]) -> int:
        """A table of (slot, kind, value)."""
        self.builder.StartObject(1 + max((slot for slot, *_ in fields), default=0))
        for slot, kind, value in fields:
            getattr(self.builder, f"Prepend{kind}Slot")(slot, value, 0)
        return int(self.builder.EndObject())

    def vector(self, places: Sequence[int]) -> int:
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return int(self.builder.EndVector())

    def numbers(self, values: Sequence[int]) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, np.int32)))

    def buffer(self, data: bytes) -> int:
        if not data:
            return self.table([])
        self.builder.StartVector(1, len(data), ALIGNMENT)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head : self.builder.head + len(data)] = data
        return self.table([(0, "UOffsetTRelative", self.builder.EndVector())])

    def tensor(self, graph: Graph, index: int, buffer: int) -> int:
        name, sizes = self.builder.CreateString(f"tensor_{index}"), self.numbers(graph.shapes[index])
        fields: list[tuple[int, str, float]] = [(0, "UOffsetTRelative", sizes), (1, "Int8", graph.kinds[index])]
        fields += [(2, "Uint32", buffer), (3, "UOffsetTRelative", name)]
        if index in graph.quantised:
            fields.append((4, "UOffsetTRelative", self.quantisation(graph.quantised[index])))
        return self.table(fields)

    def quantisation(self, quantised: Quantised) -> int:
        scales = np.atleast_1d(quantised.scale).astype(np.float32)
        zero_points = np.full(len(scales), quantised.zero_point, np.int64)
        places = [self.builder.CreateNumpyVector(each) for each in (scales, zero_points)]
        fields = [(slot, "UOffsetTRelative", place) for slot, place in enumerate(places, 2)]
        return self.table([*fields, (6, "Int32", quantised.axis)])

    def opcode(self, code: int, version: int) -> int:
        return self.table([(0, "Int8", min(code, MOST_OLD_CODE)), (2, "Int32", version), (3, "Int32", code)])

    def operator(self, codes: list[tuple[int, int]], step: Step) -> int:
        operation, version, inputs, outputs, options = step
        fields: list[tuple[int, str, float]] = [(0, "Uint32", codes.index((operation.code, version)))]
        if operation.options:
            given = self.table([self.option(*operation.slots[name], value) for name, value in options.items()])
            fields += [(3, "Uint8", operation.options), (4, "UOffsetTRelative", given)]
        fields += [(slot, "UOffsetTRelative", self.numbers(each)) for slot, each in ((1, inputs), (2, outputs))]
        return self.table(fields)

    def option(self, slot: int, kind: str, value: float | str) -> tuple[int, str, float]:
        if isinstance(value, str):
            return slot, "UOffsetTRelative", self.builder.CreateString(value)
        return slot, kind, value
