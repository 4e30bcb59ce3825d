"""The flasher that flashers/README.md walks through does what a flasher has to."""

from flashers.conformance import suite_for
from tests.flashers.conformance.example_flasher import PLUGIN

TestPagelet = suite_for(PLUGIN)
