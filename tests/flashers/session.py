"""The bench's session, under the name that tests of single flashers know it by."""

from flashers.conformance.session import BenchConsole as FakeConsole
from flashers.conformance.session import BenchSession as FakeSession

__all__ = ["FakeConsole", "FakeSession"]
