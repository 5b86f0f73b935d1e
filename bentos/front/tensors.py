"""The body of an Open Inference Protocol v2 inference request: JSON tensors in, rows of numbers out.

Two layouts are taken: one tensor ``inputs`` of shape [rows, fields] in the order of the schema, categories as
indexes; or one tensor per field of shape [rows] (or [rows, 1]), categories as BYTES.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bentos.front.columns import CategoryColumn, Rejection, json_type
from bentos.front.schema import Errors, FieldError, InvalidInputError, Rows, Schema, refuse_unknown

MAX_ROWS: Final = 1_024
MATRIX_NAME: Final = "inputs"
MATRIX_DATATYPES: Final = ("FP32", "FP64")
NUMBER_DATATYPES: Final = frozenset(
    {"FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)
_REQUEST_KEYS: Final = frozenset({"id", "parameters", "inputs", "outputs"})
_TENSOR_KEYS: Final = frozenset({"name", "shape", "datatype", "parameters", "data"})


@dataclass(frozen=True)
class InferRequest:
    """A checked inference request."""

    rows: Rows
    id: str | None
    outputs: tuple[str, ...] | None
    """The outputs that were asked for; None for all."""


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


def parse_infer(document: object, schema: Schema, outputs: tuple[str, ...]) -> InferRequest:
    """Check an inference request and encode its rows.

    Raises:
        InvalidInputError: with pointers into the request's body.

    """
    body = _object(document, "")
    errors = Errors()
    refuse_unknown(body, _REQUEST_KEYS, "", errors)
    request_id = body.get("id")
    if request_id is not None and not (isinstance(request_id, str) and len(request_id) <= 200):
        errors.add("/id", "must be a text of at most 200 characters", "type")
    if not isinstance(body.get("inputs"), list) or not body["inputs"]:
        errors.add("/inputs", "must be a list of tensors with at least one", "type")
    errors.raise_any()
    tensors = [_tensor(entry, f"/inputs/{index}") for index, entry in enumerate(body["inputs"])]
    if len(tensors) == 1 and tensors[0].name == MATRIX_NAME and MATRIX_NAME not in schema.index:
        rows = _matrix(tensors[0], schema)
    else:
        rows = _columns(tensors, schema)
    return InferRequest(rows, request_id, _wanted(body.get("outputs"), outputs))


def _wanted(entries: object, outputs: tuple[str, ...]) -> tuple[str, ...] | None:
    if entries is None or entries == []:
        return None
    if not isinstance(entries, list):
        raise _error("/outputs", f"is {json_type(entries)}; must be a list of objects with a name")
    names = []
    for index, entry in enumerate(entries):
        name = _object(entry, f"/outputs/{index}").get("name")
        if name not in outputs:
            raise _error(f"/outputs/{index}/name", f"must be one of {', '.join(outputs)}")
        names.append(name)
    return tuple(names)


def _tensor(entry: object, pointer: str) -> _Tensor:
    tensor, errors = _object(entry, pointer), Errors()
    refuse_unknown(tensor, _TENSOR_KEYS, pointer, errors)
    shape = tensor.get("shape")
    if not isinstance(tensor.get("name"), str):
        errors.add(f"{pointer}/name", "must be the tensor's name", "type")
    if not isinstance(tensor.get("datatype"), str):
        errors.add(f"{pointer}/datatype", "must be a datatype such as FP64 or BYTES", "type")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        errors.add(f"{pointer}/shape", "must be a list of integers", "type")
    elif not 1 <= len(shape) <= 2 or not 1 <= shape[0] <= MAX_ROWS:
        errors.add(f"{pointer}/shape", f"must be [rows] or [rows, columns] with 1 to {MAX_ROWS} rows", "shape")
    if not isinstance(tensor.get("data"), list):
        errors.add(f"{pointer}/data", "must be a list; the binary extension is not supported", "type")
    errors.raise_any()
    return _Tensor(tensor["name"], tensor["shape"], tensor["datatype"], tensor["data"])


def _matrix(tensor: _Tensor, schema: Schema) -> Rows:
    count, width = tensor.shape[0], schema.width
    if tensor.datatype not in MATRIX_DATATYPES:
        raise _error("/inputs/0/datatype", f"must be {' or '.join(MATRIX_DATATYPES)}")
    if tensor.shape != [count, width]:
        raise _shape("/inputs/0/shape", f"must be [rows, {width}]: the model has {width} fields")
    nested = bool(tensor.data) and isinstance(tensor.data[0], list)
    cells = _flat(tensor.data, "/inputs/0/data", width) if nested else tensor.data
    if len(cells) != count * width:
        raise _shape("/inputs/0/data", f"must hold {count * width} numbers, as the shape says, not {len(cells)}")
    rows = _quickly(cells, count, schema)
    return _walk_matrix(cells, count, schema, nested=nested) if rows is None else rows


def _quickly(cells: list[Any], count: int, schema: Schema) -> Rows | None:
    if not schema.number_types.issuperset(map(type, cells)):
        return None
    rows: Rows = np.array(cells, dtype=np.float64).reshape(count, schema.width)
    return rows if schema.bounds.accept(rows) else None


def _walk_matrix(cells: list[Any], count: int, schema: Schema, *, nested: bool) -> Rows:
    """Row by row, and cell by cell only in a row that has an error."""
    errors, width = Errors(), schema.width
    rows: Rows = np.empty((count, width))
    for row in range(count):
        part = cells[row * width : (row + 1) * width]
        encoded = _quickly(part, 1, schema)
        if encoded is not None:
            rows[row] = encoded[0]
            continue
        for index, cell in enumerate(part):
            column = schema.number_columns[index]
            number = column.encode(cell)
            if isinstance(number, Rejection):
                where = f"{row}/{index}" if nested else str(row * width + index)
                errors.add(f"/inputs/0/data/{where}", f"{column.name} {number.detail}", number.kind)
            else:
                rows[row, index] = number
        if errors.full:
            break
    errors.raise_any()
    return rows


def _columns(tensors: list[_Tensor], schema: Schema) -> Rows:
    errors, count = Errors(), tensors[0].shape[0]
    given: dict[str, int] = {}
    for index, tensor in enumerate(tensors):
        if tensor.name in given:
            errors.add(f"/inputs/{index}/name", "is there twice", "shape")
        elif tensor.name not in schema.index:
            errors.add(f"/inputs/{index}/name", f"is no field of the model and not {MATRIX_NAME!r}", "unknown")
        given[tensor.name] = index
    for column in schema.columns:
        if column.name not in given:
            errors.add("/inputs", f"the tensor {column.name} is missing; must be {column.wanted}", "missing")
    errors.raise_any()
    rows: Rows = np.empty((count, schema.width))
    for position, column in enumerate(schema.columns):
        index = given[column.name]
        rows[:, position] = _column(tensors[index], position, count, schema, f"/inputs/{index}")
    return rows


def _column(tensor: _Tensor, position: int, count: int, schema: Schema, pointer: str) -> NDArray[np.float64]:
    is_category = isinstance(schema.columns[position], CategoryColumn)
    if is_category != (tensor.datatype == "BYTES") or not (is_category or tensor.datatype in NUMBER_DATATYPES):
        wanted = "BYTES" if is_category else "FP32, FP64 or an integer type"
        raise _error(f"{pointer}/datatype", f"must be {wanted}")
    if tensor.shape not in ([count], [count, 1]):
        raise _shape(f"{pointer}/shape", f"must be [{count}] like the first tensor")
    nested = bool(tensor.data) and isinstance(tensor.data[0], list)
    cells = _flat(tensor.data, f"{pointer}/data", 1) if nested else tensor.data
    if len(cells) != count:
        raise _shape(f"{pointer}/data", f"must hold {count} values, as the shape says, not {len(cells)}")
    return schema.encode_column(position, cells, f"{pointer}/data")


def _flat(data: list[Any], pointer: str, width: int) -> list[Any]:
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            raise _shape(f"{pointer}/{index}", f"must be a list of {width}")
    return list(chain.from_iterable(data))


def _object(value: object, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _error(pointer, f"is {json_type(value)}; must be an object")
    return value


def _error(pointer: str, detail: str) -> InvalidInputError:
    return InvalidInputError([FieldError(pointer, detail, "type")])


def _shape(pointer: str, detail: str) -> InvalidInputError:
    return InvalidInputError([FieldError(pointer, detail, "shape")])
