"""What the client tests share. Everything they need to know is in the environment; see ../run.sh."""
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Target:
    """The proxy under test, or the simulated upstream itself."""

    url: str
    key: str
    upstream: str
    admin: str
    token: str

    @property
    def direct(self) -> bool:
        """Whether there is no proxy in between."""
        return self.url == self.upstream

    def send(self, method, path, body=b"", headers=None):
        """A plain HTTP request with the key; returns status, headers and body."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        return send(method, self.url + path, body or None, headers)

    def stats(self):
        """The counters of the simulated upstream."""
        return json.loads(send("GET", self.upstream + "/sim/stats")[2])

    def heal(self):
        """Makes the proxy forget the failures that a test before this one caused."""
        if self.admin:
            headers = {"authorization": f"Bearer {self.token}"}
            accounts = json.loads(send("GET", self.admin + "/status/accounts", None, headers)[2])
            accounts = accounts.get("accounts", accounts) if isinstance(accounts, dict) else accounts
            for account in accounts:
                send("POST", f"{self.admin}/admin/accounts/{account['name']}/reset", b"", headers)


def send(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="session")
def target():
    environ = os.environ
    return Target(
        url=environ["WEIR_URL"],
        key=environ["WEIR_KEY"],
        upstream=environ["WEIR_UPSTREAM"],
        admin=environ.get("WEIR_ADMIN", ""),
        token=environ.get("WEIR_ADMIN_TOKEN", ""),
    )


@pytest.fixture(autouse=True)
def healthy(target):
    target.heal()
