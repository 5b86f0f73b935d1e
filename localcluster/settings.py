"""Names, addresses and limits of the local cluster in one place."""

from dataclasses import dataclass

NODE_NAME = "marquee"
BRIDGE = "marquee0"
# The benchmark range 198.18.0.0/15: not a private range, so nothing real is ever hit.
NODE_ADDRESS = "198.18.0.1"
POD_CIDR = "198.18.0.0/18"
SERVICE_CIDR = "198.18.64.0/18"
API_SERVICE_ADDRESS = "198.18.64.1"
DNS_SERVICE_ADDRESS = "198.18.64.10"
API_PORT = 6443
KUBELET_PORT = 10250
# A NodePort above all ports that parallel control planes choose from (ports.py).
GATEWAY_PORT = 32080
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Endpoints:
    """Where the control plane's parts listen."""

    api_address: str
    """Address of the API server: the bridge's in a full cluster, so that pods reach it, else loopback."""
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    controller_manager_port: int
    scheduler_port: int

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return f"https://{self.api_address}:{self.api_port}"


@dataclass(frozen=True)
class Tuning:
    """What differs between a cluster for work and one for benchmarks."""

    controller_requests_per_second: int = 100
    """Client limit of the controller manager and the scheduler; Kubernetes' own default is 20 and 50."""
    audit: bool = False
    """Write one JSON line a request (metadata only) to logs/audit.jsonl."""
