"""The contract page says what the gateway does, neither less nor more."""

import json
import re
from typing import Any

import pytest

from gateway.attempt.telling import done_told, phase_told
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import Record, Result, Rules, Trouble
from gateway.model.views import EVENT_KINDS
from gateway.upstream import messages, outgoing, requests, rollouts
from gateway.upstream.settings import MqttSettings
from gateway.upstream.topics import Topics
from tests.gateway.upstream import contract

PAGE = contract.PAGE.read_text()
BLOCKS = {block["name"]: block["body"] for block in contract.BLOCK.finditer(PAGE)}
EXAMPLES = {block["name"]: block["body"] for block in contract.EXAMPLE.finditer(PAGE)}
SENT = [model for model in contract.OUTGOING if issubclass(model, messages.Message)]
MODELS = {model.__name__: model for model in (*contract.OUTGOING, *contract.INCOMING)}


@pytest.mark.parametrize("name", contract.tables())
def test_a_table_says_what_the_code_says(name: str) -> None:
    assert name in BLOCKS, f"the page has no table {name}"
    assert BLOCKS[name] == contract.tables()[name], "run: python -m tests.gateway.upstream.contract"


def test_the_page_has_no_table_that_nobody_makes() -> None:
    assert set(BLOCKS) == set(contract.tables())


def test_nothing_that_crosses_is_left_out() -> None:
    for module in (messages, requests, rollouts):
        for model in vars(module).values():
            if not isinstance(model, type) or not issubclass(model, outgoing.Outgoing | requests.Incoming):
                continue
            is_base = model in (outgoing.Outgoing, messages.Message, requests.Incoming)
            assert is_base or model in requests.VERBS.values() or model in MODELS.values(), model


@pytest.mark.parametrize("model", SENT, ids=lambda model: model.__name__)
def test_an_example_is_a_message_as_it_is_sent(model: type[messages.Message]) -> None:
    example = json.loads(EXAMPLES[model.__name__])
    assert json.loads(model.model_validate(example).payload()) == example


@pytest.mark.parametrize("name", ["Desired", "CommandEnvelope"])
def test_an_example_of_what_comes_in_is_understood_to_its_last_field(name: str) -> None:
    example = json.loads(EXAMPLES[name])
    read = MODELS[name].model_validate_json(EXAMPLES[name])
    assert json.loads(read.model_dump_json(by_alias=True, exclude_unset=True)) == example


def test_the_example_of_a_command_can_be_done() -> None:
    command = requests.read_command(EXAMPLES["CommandEnvelope"].encode())
    assert requests.read_args(command) == requests.Rollback(node="pump-1")


def test_every_topic_is_on_the_page_and_no_other() -> None:
    topics = Topics("tender/GATEWAY")
    ours = {
        topics.status,
        topics.node("NODE"),
        topics.event,
        topics.progress("NODE"),
        topics.desired,
        topics.command,
        topics.result,
    }
    assert set(re.findall(r"^\| `(tender/GATEWAY/[^`]*)` \|", PAGE, re.MULTILINE)) == ours
    assert Topics.of(MqttSettings(url="mqtt://broker").prefix, "GATEWAY") == topics


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    for limit in (messages.EVENT_MAX, requests.PAYLOAD_MAX, 1_048_576):
        assert f"{limit:,} bytes" in PAGE


def test_what_the_page_proposes_for_metered_links_can_be_configured() -> None:
    proposed: dict[str, Any] = {}
    for name, value in re.findall(r"^(\w+) = ([^#\n]+?)\s*(?:#.*)?$", PAGE, re.MULTILINE):
        proposed[name] = json.loads(value)
    assert proposed["republish_states"] == "session-lost"
    assert MqttSettings(**proposed).keepalive == 900


def sources() -> str:
    package = contract.PAGE.parents[1] / "gateway"
    views = package / "model" / "views.py"
    return "".join(file.read_text() for file in sorted(package.rglob("*.py")) if file != views)


def test_every_kind_of_event_is_told_somewhere_and_no_other() -> None:
    text = sources()
    assert set(re.findall(r'Told\(\s*"([^"]+)"', text)) <= set(EVENT_KINDS)
    assert {kind for kind in EVENT_KINDS if f'"{kind}"' not in text} == set()


def documented(kind: str) -> set[str]:
    """The names in what a kind says of its data, without what stands in brackets."""
    _, _, data = EVENT_KINDS[kind].partition("; data: ")
    return set(re.findall(r"\b[a-z_]+\b", re.sub(r"\(.*?\)| and | once it .*", " ", data)))


def test_the_data_of_an_attempts_events_are_those_that_the_page_names() -> None:
    record = Record(
        id=1,
        node="pump-1",
        profile="mcuboot-uart",
        parts=(),
        rules=Rules(),
        phase=Phase.ROLLING_BACK,
        turned=Trouble("health-failed", "it does not answer"),
        result=Result(Outcome.ROLLED_BACK),
    )
    assert set(done_told(record).data) == documented("attempt.done")
    assert set(phase_told(record).data) == documented("attempt.phase")


def test_every_outcome_is_explained() -> None:
    assert set(contract.TRUE_OF_THE_NODE) == set(Outcome)
