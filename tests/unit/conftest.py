"""Unit tests reach nothing: a socket that is not of this process alone is an error."""

import pytest
from pytest_socket import disable_socket


def pytest_runtest_setup() -> None:
    disable_socket(allow_unix_socket=True)


@pytest.fixture(scope="session")
def stack() -> None:
    pytest.fail("a unit test must not need the stack")
