"""The ``config.pbtxt`` of a model: the artifact's schema and the typed settings, and nothing that a person wrote.

Fields are those of Triton's ``model_config.proto``; the protocol buffer that its client ships prints them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as proto

from marquee.contract.manifest import Manifest, OnnxRuntime, PythonRuntime, TensorRtRuntime, TorchScriptRuntime
from marquee.contract.triton import Backend, DynamicBatching, InstanceGroup, InstanceKind, TritonSettings, WarmUp

MATRIX_INPUT: Final = "inputs"
"""Name of the one input of a model that runs in Triton's Python backend."""
ARTIFACT_PARAMETER: Final = "marquee_artifact"
"""Folder of the verified artifact, for `bentos.front.triton.backend_model`."""
THREADS_PARAMETER: Final = "intra_op_thread_count"
"""Threads of one call; the name is that of Triton's onnxruntime backend, and the Python backend's model reads it."""
PYTORCH_THREADS_PARAMETER: Final = "INTRA_OP_THREAD_COUNT"
"""The same for Triton's PyTorch backend."""
EXAMPLE_FILE: Final = "example"
"""In the model's folder ``warmup``: the artifact's example as the bytes of one row."""

_TORCH_INPUT: Final = "INPUT__0"
"""A module's tensors have no names: Triton's PyTorch backend goes by the number behind the underscores."""
_TORCH_OUTPUT: Final = "OUTPUT__"
_DATATYPES: Final = {"FP32": proto.TYPE_FP32, "FP64": proto.TYPE_FP64}
_KINDS: Final = {
    InstanceKind.CPU: proto.ModelInstanceGroup.KIND_CPU,
    InstanceKind.GPU: proto.ModelInstanceGroup.KIND_GPU,
}


def model_config(name: str, manifest: Manifest, settings: TritonSettings, *, folder: Path, threads: int) -> str:
    """The text of ``config.pbtxt``.

    Args:
        name: of the model in Triton.
        manifest: of the artifact.
        settings: the typed fields.
        folder: where Triton finds the artifact.
        threads: of one call of the model.

    """
    runtime = manifest.runtime
    datatype = _DATATYPES[datatype_of(manifest)]
    input_name, width = input_of(manifest, settings), len(manifest.inputs)
    config = proto.ModelConfig(name=name, backend=settings.backend.value, max_batch_size=settings.max_batch_size)
    config.input.add(name=input_name, data_type=datatype, dims=[width])
    parameter = PYTORCH_THREADS_PARAMETER if settings.backend is Backend.PYTORCH else THREADS_PARAMETER
    config.parameters[parameter].string_value = str(threads)
    if settings.backend is Backend.PYTHON:
        for field in manifest.outputs:
            config.output.add(name=field.name, data_type=proto.TYPE_FP64, dims=[1])
        config.parameters[ARTIFACT_PARAMETER].string_value = str(folder)
    elif not isinstance(runtime, PythonRuntime):
        # The manifest knows no shapes of the file's outputs: the backend fills them in, and `control` compares them.
        config.default_model_filename = runtime.file
    if isinstance(runtime, TorchScriptRuntime):  # a module says nothing of its outputs, so that they have to be told
        for name in sorted({name for name, _ in outputs_of(manifest, settings)}):
            config.output.add(name=name, data_type=proto.TYPE_FP32, dims=[-1])
    config.instance_group.extend(_instance_group(group) for group in settings.instance_groups)
    config.dynamic_batching.CopyFrom(_dynamic_batching(settings.dynamic_batching))
    if settings.response_cache:
        config.response_cache.enable = True
    if settings.warm_up is not None:
        config.model_warmup.extend(_warm_up(settings.warm_up, input_name, datatype, width))
    text: str = text_format.MessageToString(config)
    return text


def datatype_of(manifest: Manifest) -> str:
    """Datatype of the model's input, as Triton's protocol calls it."""
    return "FP64" if isinstance(manifest.runtime, PythonRuntime) else "FP32"


def input_of(manifest: Manifest, settings: TritonSettings) -> str:
    """Name of the model's one input in Triton."""
    runtime = manifest.runtime
    if isinstance(runtime, TorchScriptRuntime):
        return _TORCH_INPUT
    if settings.backend is not Backend.PYTHON and isinstance(runtime, OnnxRuntime | TensorRtRuntime):
        return runtime.input_name
    return MATRIX_INPUT


def outputs_of(manifest: Manifest, settings: TritonSettings) -> list[tuple[str, int]]:
    """Where each output of the manifest, in its order, is found: name of Triton's output, and column."""
    runtime = manifest.runtime
    if isinstance(runtime, TorchScriptRuntime):
        places = [runtime.outputs[field.name] for field in manifest.outputs]
        return [(f"{_TORCH_OUTPUT}{place}", column) for place, column in places]
    if settings.backend is not Backend.PYTHON and isinstance(runtime, OnnxRuntime | TensorRtRuntime):
        return [runtime.outputs[field.name] for field in manifest.outputs]
    return [(field.name, 0) for field in manifest.outputs]


def _instance_group(group: InstanceGroup) -> Any:
    message = proto.ModelInstanceGroup(kind=_KINDS[group.kind], count=group.count, gpus=group.gpus)
    for limit in group.rate_limits:
        message.rate_limiter.resources.add(name=limit.name, count=limit.count, **{"global": True})
    return message


def _dynamic_batching(batching: DynamicBatching) -> Any:
    return proto.ModelDynamicBatching(
        preferred_batch_size=batching.preferred_batch_sizes,
        max_queue_delay_microseconds=batching.max_queue_delay_microseconds,
    )


def _warm_up(warm_up: WarmUp, input_name: str, datatype: int, width: int) -> list[Any]:
    samples = []
    for size in warm_up.batch_sizes:
        sample = proto.ModelWarmup(name=f"example-{size}", batch_size=size, count=warm_up.rounds)
        row = proto.ModelWarmup.Input(data_type=datatype, dims=[width], input_data_file=EXAMPLE_FILE)
        sample.inputs[input_name].CopyFrom(row)
        samples.append(sample)
    return samples
