import pytest

from marquee.control import kinds
from marquee.control.kinds import DEPLOYMENT, NAMESPACE, SERVICE, Kind


def test_paths_of_a_kind_in_a_group() -> None:
    """A kind of a named group is served below /apis."""
    assert DEPLOYMENT.api_version == "apps/v1"
    assert DEPLOYMENT.collection_path() == "/apis/apps/v1/deployments"
    assert DEPLOYMENT.collection_path("ns") == "/apis/apps/v1/namespaces/ns/deployments"
    assert DEPLOYMENT.object_path("ns", "web") == "/apis/apps/v1/namespaces/ns/deployments/web"


def test_paths_of_a_core_kind() -> None:
    """A kind of the core group is served below /api, and its apiVersion has no group."""
    assert SERVICE.api_version == "v1"
    assert SERVICE.object_path("ns", "web") == "/api/v1/namespaces/ns/services/web"


def test_a_cluster_scoped_kind_ignores_the_namespace() -> None:
    """A cluster-scoped object has the same path whatever namespace a caller holds."""
    assert NAMESPACE.object_path(None, "prod") == "/api/v1/namespaces/prod"
    assert NAMESPACE.object_path("any", "prod") == "/api/v1/namespaces/prod"


def test_a_namespaced_object_without_namespace_is_refused() -> None:
    """Forgetting the namespace is an error that names the object, not a request to a wrong path."""
    with pytest.raises(ValueError, match="Deployment 'web' needs a namespace"):
        DEPLOYMENT.object_path(None, "web")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_cannot_climb(name: str) -> None:
    """A name that would change the path's depth is refused."""
    with pytest.raises(ValueError, match="no name"):
        DEPLOYMENT.object_path("ns", name)


def test_a_name_cannot_add_to_the_path() -> None:
    """Separators in a name that a person wrote are quoted: it stays one segment."""
    path = DEPLOYMENT.object_path("ns", "../../secrets/x?y#z%2f")

    assert path == "/apis/apps/v1/namespaces/ns/deployments/..%2F..%2Fsecrets%2Fx%3Fy%23z%252f"


def test_kinds_are_named_as_rbac_names_them() -> None:
    """In logs a kind is called by its plural and group."""
    assert (str(DEPLOYMENT), str(SERVICE)) == ("deployments.apps", "services")


def test_no_two_constants_are_the_same_kind() -> None:
    """Each constant names another resource."""
    constants = [value for value in vars(kinds).values() if isinstance(value, Kind)]

    assert len({kind.collection_path() for kind in constants}) == len(constants) >= 13
