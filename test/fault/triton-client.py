"""Triton's own client against a gateway: python3 triton-client.py 127.0.0.1:8080

Needs `pip install 'tritonclient[http]'`. With --types the gateway must have the models of `triton.ts`, which starts both.
"""

import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = http.InferenceServerClient(sys.argv[1])
MODEL = "room-comfort"


def check(what, holds):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        sys.exit(1)


def error_of(**arguments):
    try:
        client.infer(**arguments)
    except InferenceServerException as error:
        return error.status()
    return None


check("server live and ready", client.is_server_live() and client.is_server_ready())
check("model ready, unknown model not", client.is_model_ready(MODEL) and not client.is_model_ready("none"))
metadata = client.get_model_metadata(MODEL)
check("metadata", metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 8, 5]}])
check("server metadata", "binary_tensor_data" in client.get_server_metadata()["extensions"])
check("configuration", client.get_model_config(MODEL)["input"][0]["dims"] == [8, 5])
check("repository index", any(one["name"] == MODEL for one in client.get_model_repository_index()))

values = np.random.RandomState(1).rand(3, 8, 5).astype(np.float32)
answers = []
for binary in (True, False):
    given = http.InferInput("input", values.shape, "FP32")
    given.set_data_from_numpy(values, binary_data=binary)
    wanted = [http.InferRequestedOutput(name, binary_data=binary) for name in ("occupancy", "comfort")]
    for compression in (None, "gzip", "deflate"):
        answer = client.infer(
            MODEL,
            [given],
            outputs=wanted,
            request_id=f"triton-{binary}-{compression}",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        check(f"id of the answer ({compression})", answer.get_response()["id"] == f"triton-{binary}-{compression}")
        answers.append(answer)
    answers.append(client.infer(MODEL, [given], model_version="1", priority=2, timeout=5_000_000))
occupancy = answers[0].as_numpy("occupancy")
check("binary and JSON agree", all(np.array_equal(occupancy, a.as_numpy("occupancy")) for a in answers))
comfort = [[v if isinstance(v, bytes) else v.encode() for v in a.as_numpy("comfort").ravel()] for a in answers]
check("BYTES", all(labels == comfort[0] and len(labels) == 3 for labels in comfort))
classes = client.infer(MODEL, [given], outputs=[http.InferRequestedOutput("comfort_probabilities", class_count=2)])
check("classification", classes.as_numpy("comfort_probabilities").shape == (3, 2))
calls = [client.async_infer(MODEL, [given]) for _ in range(16)]
check("asynchronous", all(np.array_equal(occupancy, c.get_result().as_numpy("occupancy")) for c in calls))
check("404 for an unknown model", error_of(model_name="none", inputs=[given]) == "404")
check("404 for an unknown version", error_of(model_name=MODEL, inputs=[given], model_version="9") == "404")
check("504 past the time-out", error_of(model_name=MODEL, inputs=[given], timeout=1) == "504")
wrong = http.InferInput("input", [1, 2], "FP32").set_data_from_numpy(np.zeros((1, 2), np.float32))
check("400 for a wrong shape", error_of(model_name=MODEL, inputs=[wrong]) == "400")
check("409 for an id that was used", error_of(model_name=MODEL, inputs=[given], request_id="triton-True-None") == "409")
statistics = client.get_inference_statistics(MODEL)["model_stats"][0]
check("statistics", statistics["inference_stats"]["success"]["count"] >= 20)

if "--types" in sys.argv:
    samples = {
        "BOOL": np.array([True, False]),
        "UINT8": np.array([0, 255], np.uint8),
        "UINT16": np.array([0, 65535], np.uint16),
        "UINT32": np.array([0, 2**32 - 1], np.uint32),
        "UINT64": np.array([0, 2**64 - 1], np.uint64),
        "INT8": np.array([-128, 127], np.int8),
        "INT16": np.array([-32768, 32767], np.int16),
        "INT32": np.array([-(2**31), 2**31 - 1], np.int32),
        "INT64": np.array([-(2**63), 2**63 - 1], np.int64),
        "FP16": np.array([0.5, -65504], np.float16),
        "FP32": np.array([0.1, np.inf], np.float32),
        "FP64": np.array([0.1, np.nan], np.float64),
        "BYTES": np.array([b"a", "né".encode()], np.object_),
    }
    for datatype, sample in samples.items():
        for binary in (True, False):
            if datatype == "FP16" and not binary:
                continue  # the client itself refuses FP16 as JSON
            given = http.InferInput("x", sample.shape, datatype).set_data_from_numpy(sample, binary_data=binary)
            wanted = [http.InferRequestedOutput("y", binary_data=binary)]
            found = client.infer(f"same-{datatype.lower()}", [given], outputs=wanted).as_numpy("y")
            if datatype == "BYTES":
                found = np.array([v if isinstance(v, bytes) else v.encode() for v in found], np.object_)
            same = found.dtype == sample.dtype and np.array_equal(found, sample, equal_nan=datatype == "FP64")
            check(f"{datatype} as {'bytes' if binary else 'JSON'}", same)
print("passed")
