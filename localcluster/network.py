"""The node's network: the bridge with the node's address, kernel settings, and their undoing."""

import json
from pathlib import Path

from localcluster import iptables
from localcluster.commands import run
from localcluster.errors import CommandFailed
from localcluster.paths import Layout
from localcluster.settings import BRIDGE, NODE_ADDRESS, POD_CIDR, SERVICE_CIDR

# Settings that the cluster or its parts (kubelet, kube-proxy) change; remembered and restored.
_CHANGED_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_WANTED_SETTINGS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}


def bridge_exists() -> bool:
    """Whether a device with the name of our bridge exists."""
    return Path("/sys/class/net", BRIDGE).exists()


def remembers(layout: Layout) -> bool:
    """Whether this cluster changed the network and has not undone it yet."""
    return _memory(layout).exists()


def up(layout: Layout) -> None:
    """Create the bridge and set the kernel; remember before what was there."""
    _remember(layout)
    # Built into some kernels, a module in others; without it Services fail between pods of one bridge.
    if not Path("/proc/sys/net/bridge").exists():
        run(["modprobe", "br_netfilter"])
    for name, value in _WANTED_SETTINGS.items():
        _write_setting(name, value)
    if not bridge_exists():
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{NODE_ADDRESS}/{POD_CIDR.split('/')[1]}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    # A Service's address that kube-proxy does not know yet must fail here, not be asked of the machine's gateway.
    run(["ip", "route", "replace", SERVICE_CIDR, "dev", BRIDGE])
    iptables.accept_forwarding()


def down(layout: Layout) -> None:
    """Undo `up` and what pods, kubelet and kube-proxy left; no error when there is nothing."""
    memory = _memory(layout)
    remembered = json.loads(memory.read_text()) if memory.exists() else {"settings": {}, "iptables": {}}
    if bridge_exists():
        _delete_left_namespaces()
        run(["ip", "link", "delete", BRIDGE])
    iptables.remove(remembered["iptables"])
    for name, value in remembered["settings"].items():
        _write_setting(name, value)
    memory.unlink(missing_ok=True)


def _memory(layout: Layout) -> Path:
    return layout.data / "before.json"


def _remember(layout: Layout) -> None:
    memory = _memory(layout)
    if memory.exists():
        return
    settings = {n: p.read_text().strip() for n in _CHANGED_SETTINGS if (p := Path("/proc/sys", n)).exists()}
    memory.write_text(json.dumps({"settings": settings, "iptables": {f: iptables.save(f) for f in iptables.FAMILIES}}))


def _write_setting(name: str, value: str) -> None:
    file = Path("/proc/sys", name)
    if file.exists() and file.read_text().strip() != value:
        file.write_text(value)


def _delete_left_namespaces() -> None:
    """Delete network namespaces whose pod had an address of ours; normally the runtime has done it."""
    for namespace in Path("/run/netns").glob("cni-*"):
        try:
            addresses = run(["ip", "-n", namespace.name, "-4", "-j", "address", "show"])
        except CommandFailed:
            continue
        local = [a["local"] for link in json.loads(addresses) for a in link.get("addr_info", [])]
        if any(address.startswith("198.18.") for address in local):
            run(["ip", "netns", "delete", namespace.name])
