"""A bare client of a test API server: what people send with kubectl, without a process for each request."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import Any, Self

import httpx

from localcluster import ControlPlane

GROUP_PATH = "/apis/marquee.dev/v1alpha1"
PLURALS = {
    "MarketingModel": "marketingmodels",
    "ModelRevision": "modelrevisions",
    "ModelApproval": "modelapprovals",
    "PromotionFreeze": "promotionfreezes",
}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether the request succeeded."""
        return self.status < 300

    @property
    def message(self) -> str:
        """The server's own words about a refusal."""
        return str(self.body.get("message", ""))


class ApiServer:
    """The administrator's requests to one control plane."""

    def __init__(self, plane: ControlPlane) -> None:
        tls = ssl.create_default_context(cafile=plane.ca_file)
        tls.load_cert_chain(plane.client_cert_file, plane.client_key_file)
        self._http = httpx.Client(base_url=plane.server, verify=tls, trust_env=False, timeout=20)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | str | None = None,
        *,
        content_type: str = "application/json",
        dry_run: bool = False,
        user: str = "",
        **params: str,
    ) -> Answer:
        """One request; a text is sent as it is, and read as YAML by the server.

        ``user``: as whom, with every permission; the administrator when it is empty.
        """
        params |= {"fieldValidation": "Strict"} if method in {"POST", "PUT", "PATCH"} else {}
        params |= {"dryRun": "All"} if dry_run else {}
        if isinstance(body, str):
            content_type = "application/yaml"
        headers = {"Content-Type": content_type}
        if user:
            headers |= {"Impersonate-User": user, "Impersonate-Group": "system:masters"}
        content = body if isinstance(body, str) or body is None else json.dumps(body)
        answer = self._http.request(method, path, content=content, params=params, headers=headers)
        return Answer(answer.status_code, answer.json())

    def create(self, collection: str, body: dict[str, Any] | str, *, dry_run: bool = False) -> Answer:
        """POST one object."""
        return self.send("POST", collection, body, dry_run=dry_run)

    def get(self, path: str) -> dict[str, Any]:
        """GET one object, which must exist."""
        answer = self.send("GET", path)
        assert answer.accepted, answer.message
        return answer.body

    def apply(self, path: str, manifest: dict[str, Any]) -> Answer:
        """Server-side apply, as the operator does it."""
        return self.send(
            "PATCH",
            path,
            manifest,
            content_type="application/apply-patch+yaml",
            fieldManager="marquee",
            force="true",
        )


def collection_of(kind: str, namespace: str) -> str:
    """Path of all objects of one of Marquee's kinds in a namespace."""
    return f"{GROUP_PATH}/namespaces/{namespace}/{PLURALS[kind]}"
