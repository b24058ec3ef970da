"""What all tests of videos share."""

import pytest

import onedepth
from stub_runtime import StubRuntime, use


@pytest.fixture(scope="session")
def runtime() -> StubRuntime:
    return StubRuntime()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, runtime: StubRuntime) -> StubRuntime:
    """Every predictor made in the test has the stub."""
    use(monkeypatch, runtime)
    return runtime


@pytest.fixture
def predictor(stub: StubRuntime) -> onedepth.Predictor:
    return onedepth.load()
