"""Writes TensorFlow Lite files of float32 operations with the package flatbuffers alone.

The numbers are codes and slots of version 3 of the schema (tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

IDENTIFIER, VERSION = b"TFL3", 3
FLOAT32, INT32 = 0, 2
ALIGNMENT = 16
"""Of the data of a tensor in the file, in bytes."""
MOST_OLD_CODE = 127
"""Codes up to here also stand in the slot of earlier versions of the schema."""

Constant = NDArray[Any]
"""Of float32 or int32."""


@dataclass(frozen=True)
class Operation:
    """An operation: its code, the number of its options in the union of them (0: none), and of each option the slot and
    the kind."""

    code: int
    options: int = 0
    slots: Mapping[str, tuple[int, str]] = field(default_factory=dict)


_RELU = {"relu": (0, "Int8")}
"""The fused activation; its number of ReLU is 1."""
ADD = Operation(0, 11, _RELU)
BATCH_MATMUL = Operation(126, 101, {"transposed_second": (1, "Bool")})
CONCATENATION = Operation(2, 10, {"axis": (0, "Int32")})
CONV_2D = Operation(3, 1, {"stride_width": (1, "Int32"), "stride_height": (2, "Int32"), "relu": (3, "Int8")})
"""With the padding of the schema's default, which keeps the size."""
FULLY_CONNECTED = Operation(9, 8, _RELU)
LOGISTIC = Operation(14)
MEAN = Operation(40, 27, {"keep_dimensions": (0, "Bool")})
MUL = Operation(18, 21, _RELU)
RESHAPE = Operation(22)
RSQRT = Operation(76)
SOFTMAX = Operation(25, 9, {"beta": (0, "Float32")})
STRIDED_SLICE = Operation(45, 32)
SUB = Operation(41, 28, _RELU)
TANH = Operation(28)


@dataclass
class Graph:
    """A graph under construction; tensors are named by their index."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    constants: dict[int, Constant] = field(default_factory=dict)
    operations: list[tuple[Operation, list[int], int, dict[str, float]]] = field(default_factory=list)

    def tensor(self, *shape: int) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def constant(self, values: Constant) -> int:
        """A constant of float32, or of int32 when its values are."""
        index = self.tensor(*values.shape)
        self.constants[index] = values.astype(np.int32 if values.dtype == np.int32 else np.float32)
        return index

    def whole_numbers(self, *values: int) -> int:
        """A constant [n] of int32: a shape, an axis, a position."""
        return self.constant(np.array(values, np.int32))

    def apply(self, operation: Operation, inputs: Sequence[int], shape: Sequence[int], **options: float) -> int:
        """The result, of this shape, of an operation on tensors."""
        output = self.tensor(*shape)
        self.operations.append((operation, list(inputs), output, options))
        return output

    def to_bytes(self, first: int, last: int) -> bytes:
        """The file of a graph from the tensor `first` to the tensor `last`."""
        return _File(flatbuffers.Builder(1 << 16)).of_graph(self, first, last)


@dataclass(frozen=True)
class _File:
    """Builds the tables of the file; each method returns the place of what it wrote."""

    builder: flatbuffers.Builder

    def of_graph(self, graph: Graph, first: int, last: int) -> bytes:
        codes = list(dict.fromkeys(operation.code for operation, *_ in graph.operations))
        buffers = [self.buffer(b"")]  # the first is that of all tensors without data
        tensors = []
        for index, shape in enumerate(graph.shapes):
            constant = graph.constants.get(index)
            if constant is not None:
                buffers.append(self.buffer(constant.tobytes()))
            tensors.append(self.tensor(index, shape, constant, len(buffers) - 1))
        operators = self.vector([self.operator(codes, *each) for each in graph.operations])
        fields = [self.vector(tensors), self.numbers([first]), self.numbers([last]), operators]
        subgraphs = self.vector([self.table([(slot, "UOffsetTRelative", place) for slot, place in enumerate(fields)])])
        opcodes = self.vector([self.opcode(code) for code in codes])
        fields = [opcodes, subgraphs, self.builder.CreateString("Wakeword Studio"), self.vector(buffers)]
        model = self.table(
            [(0, "Uint32", VERSION), *((slot, "UOffsetTRelative", place) for slot, place in enumerate(fields, 1))]
        )
        self.builder.Finish(model, file_identifier=IDENTIFIER)
        return bytes(self.builder.Output())

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

    def tensor(self, index: int, shape: Sequence[int], constant: Constant | None, buffer: int) -> int:
        kind = INT32 if constant is not None and constant.dtype == np.int32 else FLOAT32
        name, sizes = self.builder.CreateString(f"tensor_{index}"), self.numbers(shape)
        buffer = buffer if constant is not None else 0
        return self.table(
            [(0, "UOffsetTRelative", sizes), (1, "Int8", kind), (2, "Uint32", buffer), (3, "UOffsetTRelative", name)]
        )

    def opcode(self, code: int) -> int:
        return self.table([(0, "Int8", min(code, MOST_OLD_CODE)), (2, "Int32", 1), (3, "Int32", code)])

    def operator(
        self, codes: list[int], operation: Operation, inputs: list[int], output: int, options: dict[str, float]
    ) -> int:
        fields: list[tuple[int, str, float]] = [(0, "Uint32", codes.index(operation.code))]
        if operation.options:
            given = self.table([(*operation.slots[name], value) for name, value in options.items()])
            fields += [(3, "Uint8", operation.options), (4, "UOffsetTRelative", given)]
        fields += [(slot, "UOffsetTRelative", self.numbers(each)) for slot, each in ((1, inputs), (2, [output]))]
        return self.table(fields)
