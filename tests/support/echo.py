"""Two backends that answer with what reached them, and the route that splits traffic between them."""

from __future__ import annotations

from typing import Any

from localcluster.gateway import Gateway
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import HEADER_ARM, HEADER_BUCKET, HEADER_COHORT

IMAGE_BASE = "python"
ROLLOUT = "rollout1"
_PORT = 8080

PROGRAM = """
import http.server, json, os, signal, threading

class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"revision": os.environ["REVISION"], "headers": headers}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("", 8080), Echo)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


def backends(namespace: str, image: str) -> list[dict[str, Any]]:
    """Namespace, program, and a Deployment and a Service for each arm, called by its label."""
    pod_security = {"pod-security.kubernetes.io/enforce": "restricted"}
    program = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "echo", "namespace": namespace},
        "data": {"echo.py": PROGRAM},
    }
    names = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": pod_security}}
    arms = [make(arm.label, namespace, image) for arm in Arm for make in (_deployment, _service)]
    return [names, program, *arms]


def route(gateway: Gateway, namespace: str, *, step: int, weights: tuple[int, int], buckets: str) -> dict[str, Any]:
    """Forced arm, then the canary's buckets, then the weights (stable, canary); each stamps its cohort.

    There are always the same rules, each with the same number of references, none of weight 0: Envoy Gateway makes
    one cluster a reference, named by its place, and takes a cluster away before the routes that still name it. An
    arm that shall get everything therefore gets both references.
    """
    forced = [{"type": "Exact", "name": HEADER_ARM, "value": Arm.CANARY.label}]
    assigned = [{"type": "RegularExpression", "name": HEADER_BUCKET, "value": buckets}]
    canary = [_backend(Arm.CANARY, step, 1)]
    rules = [
        _rule(namespace, forced, canary),
        _rule(namespace, assigned, canary),
        _rule(namespace, [], [_backend(arm, step, weight) for arm, weight in _shares(weights)]),
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "echo", "namespace": namespace},
        "spec": {"parentRefs": [gateway.parent_ref], "rules": rules},
    }


def _shares(weights: tuple[int, int]) -> list[tuple[Arm, int]]:
    """The arm and the weight of each of the two references."""
    given = [arm for arm in Arm if weights[arm]]
    return [(arm, weights[arm]) for arm in given] if len(given) == len(Arm) else [(given[0], 1)] * len(Arm)


def _rule(namespace: str, headers: list[dict[str, Any]], to: list[dict[str, Any]]) -> dict[str, Any]:
    # No host names: the path tells one test's route from another's.
    match = {"path": {"type": "PathPrefix", "value": f"/{namespace}"}}
    return {"matches": [match | ({"headers": headers} if headers else {})], "backendRefs": to}


def _backend(arm: Arm, step: int, weight: int) -> dict[str, Any]:
    stamp = {"name": HEADER_COHORT, "value": str(Cohort(ROLLOUT, step, arm))}
    return {
        "name": arm.label,
        "port": 80,
        "weight": weight,
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [stamp]}}],
    }


def _deployment(name: str, namespace: str, image: str) -> dict[str, Any]:
    labels = {"echo": name}
    container = {
        "name": "echo",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "/program/echo.py"],
        "env": [{"name": "REVISION", "value": name}],
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "program", "mountPath": "/program", "readOnly": True}],
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": "echo"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def _service(name: str, namespace: str, _: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"echo": name}, "ports": [{"port": 80, "targetPort": _PORT}]},
    }
