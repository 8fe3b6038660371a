import json
import os
import ssl
import urllib.request

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

ADMIN_KEY = "a-key-for-these-tests-alone"


def call(method, url, token=None, body=None, context=None):
    request = urllib.request.Request(url, method=method, headers={"Content-Type": "application/json"})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, context=context) as response:  # raises HTTPError if refused
        return response.status, response.read()


class Mocktenant:
    def __init__(self, container):
        self.container = container
        self.url, self.admin_url = self.at("https", 8443), self.at("http", 8081)
        _, ca = call("GET", self.at("http", 8080) + "/.well-known/mocktenant/ca.pem")
        self.tls = ssl.create_default_context(cadata=ca.decode())

    def at(self, scheme, port):
        return f"{scheme}://{self.container.get_container_host_ip()}:{self.container.get_exposed_port(port)}"


@pytest.fixture(scope="session")
def mocktenant():
    """The service, which all tests share."""
    image = os.environ.get("MOCKTENANT_IMAGE", "mocktenant:dev-standalone")
    container = (
        DockerContainer(image)
        .with_exposed_ports(8080, 8443, 8081)
        .with_env("MOCKTENANT_ADMIN_KEY", ADMIN_KEY)
        .waiting_for(HttpWaitStrategy(8080, "/readyz"))
    )
    with container:
        yield Mocktenant(container)


@pytest.fixture
def tenant(mocktenant, request):
    """A tenant for this test, with a user, an application and a token."""
    _, made = call("POST", mocktenant.admin_url + "/v1/tenants", ADMIN_KEY, {"displayName": request.node.name})
    credentials = json.loads(made)["credentials"]
    yield credentials
    call("DELETE", f"{mocktenant.admin_url}/v1/tenants/{credentials['tenantId']}", ADMIN_KEY)


def test_a_partner_is_created(mocktenant, tenant):
    status, body = call(
        "POST",
        mocktenant.url + "/v1.0/deviceManagement/remoteAssistancePartners",
        tenant["accessToken"],
        {"displayName": "TeamViewer"},
        mocktenant.tls,
    )

    assert status == 201
    assert json.loads(body)["displayName"] == "TeamViewer"
