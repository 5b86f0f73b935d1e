import pytest

from marquee.control.cluster.routes import resource_of, verb_of


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", "/apis/apps/v1/deployments", "list", "deployments"),
        ("GET", "/apis/apps/v1/namespaces/ns/deployments", "list", "deployments"),
        ("GET", "/apis/apps/v1/namespaces/ns/deployments/web", "get", "deployments"),
        ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/web/scale", "patch", "deployments/scale"),
        (
            "PATCH",
            "/apis/marquee.dev/v1alpha1/namespaces/ns/marketingmodels/m/status",
            "patch",
            "marketingmodels/status",
        ),
        ("POST", "/api/v1/namespaces/ns/services", "create", "services"),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/l", "update", "leases"),
        ("DELETE", "/api/v1/namespaces/ns/services/s", "delete", "services"),
        ("DELETE", "/api/v1/namespaces/ns/services", "deletecollection", "services"),
        ("GET", "/api/v1/namespaces", "list", "namespaces"),
        ("GET", "/api/v1/namespaces/ns", "get", "namespaces"),
        ("PATCH", "/api/v1/namespaces/ns/status", "patch", "namespaces/status"),
        ("GET", "/version", "get", "/version"),
    ],
)
def test_urls_are_read_back_as_rbac_names_them(method: str, path: str, verb: str, resource: str) -> None:
    """Verb and resource of a request are those that an RBAC rule for it must name."""
    assert (verb_of(method, path), resource_of(path)) == (verb, resource)
