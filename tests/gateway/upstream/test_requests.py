"""What comes in is understood, or refused with a name and a place; nothing else ever happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import DeploymentPolicy, DeployRequest, Selector
from gateway.errors import MessageMalformed, VerbUnknown
from gateway.upstream.errors import MessageTooLarge, SchemaUnknown
from gateway.upstream.requests import (
    PAYLOAD_MAX,
    REVISION_MAX,
    VERBS,
    Cancel,
    CommandEnvelope,
    Probe,
    Refresh,
    Rollback,
    read_args,
    read_command,
    read_desired,
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def deployment(**changes: object) -> dict[str, Any]:
    plain = {
        "id": "spring",
        "release": {"product": "pump", "version": "2.1.0"},
        "select": {"nodes": ["pump-1"]},
    }
    return {**plain, **changes}


def desired(*deployments: dict[str, Any], **changes: object) -> bytes:
    return json.dumps({"schema": 1, "revision": 3, "deployments": list(deployments), **changes}).encode()


def place(payload: bytes) -> str:
    with pytest.raises(MessageMalformed) as refused:
        read_desired(payload)
    return refused.value.message.split(":")[0]


def test_a_desired_state_becomes_the_gateways_own_requests() -> None:
    read = read_desired(
        desired(
            deployment(
                release={"product": "pump", "version": "2.1.0", "manifest_url": "http://h/pump"},
                select={"nodes": ["a", "b"], "profiles": ["p"], "labels": {"hall": "3"}, "all": False},
                policy={
                    "no_rollback": "refuse",
                    "soak": 1,
                    "soak_after": 2.5,
                    "deadline_s": 60,
                    "max_in_parallel": 4,
                },
            )
        )
    )
    assert read.requests() == (
        DeployRequest(
            id="spring",
            product="pump",
            version="2.1.0",
            select=Selector(nodes=("a", "b"), profiles=("p",), labels={"hall": "3"}),
            policy=DeploymentPolicy(
                no_rollback="refuse", soak=1.0, soak_after=2.5, deadline_s=60.0, max_in_parallel=4
            ),
            revision=3,
            asked_by="upstream",
            manifest_url="http://h/pump",
        ),
    )


def test_what_is_left_out_is_left_to_the_gateway() -> None:
    (request,) = read_desired(desired(deployment())).requests()
    assert request.policy == DeploymentPolicy()
    assert request.select == Selector(nodes=("pump-1",))
    assert request.manifest_url is None


def test_unknown_fields_are_ignored_everywhere() -> None:
    more = {"x": 1, "y": [{}]}
    extended = deployment(
        release={"product": "pump", "version": "2.1.0", **more},
        select={"nodes": ["pump-1"], **more},
        policy=more,
        **more,
    )
    assert read_desired(desired(extended, **more)) == read_desired(desired(deployment(policy={})))


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (desired(revision="3"), "revision"),
        (desired(revision=-1), "revision"),
        (desired(revision=REVISION_MAX + 1), "revision"),
        (desired(revision=True), "revision"),
        (desired(schema="1"), "schema"),
        (b'{"revision": 1, "deployments": []}', "schema"),
        (desired(deployments={}), "deployments"),
        (desired(deployment(), deployment()), "deployments"),
        (desired(*[deployment(id=str(number)) for number in range(101)]), "deployments"),
        (desired(deployment(id="")), "deployments[0].id"),
        (desired(deployment(id="a\nb")), "deployments[0].id"),
        (desired(deployment(id="x" * 129)), "deployments[0].id"),
        (desired(deployment(release={"product": "pump"})), "deployments[0].release.version"),
        (
            desired(
                deployment(release={"product": "p", "version": "1", "manifest_url": "file:///etc/passwd"})
            ),
            "deployments[0].release.manifest_url",
        ),
        (
            desired(deployment(), deployment(id="b", select={"nodes": ["a", 7]})),
            "deployments[1].select.nodes[1]",
        ),
        (desired(deployment(select={"labels": {"hall": 3}})), "deployments[0].select.labels.hall"),
        (desired(deployment(select={"all": "yes"})), "deployments[0].select.all"),
        (desired(deployment(policy={"soak": -1})), "deployments[0].policy.soak"),
        (desired(deployment(policy={"max_in_parallel": 0})), "deployments[0].policy.max_in_parallel"),
        (desired(deployment(policy={"no_rollback": "maybe"})), "deployments[0].policy.no_rollback"),
        (
            b'{"schema": 1, "revision": 1, "revision": 2, "deployments": []}',
            "the desired state is not plain JSON",
        ),
        (b'{"schema": 1, "revision": NaN, "deployments": []}', "the desired state is not plain JSON"),
        (b"[" * 100_000, "the desired state is not plain JSON"),
        (b'"\xff"', "the desired state is not plain JSON"),
        (b"", "the desired state is not plain JSON"),
        (b"null", "message"),
    ],
)
def test_a_fault_is_named_with_its_place(payload: bytes, where: str) -> None:
    assert place(payload) == where


def test_a_message_of_a_later_form_is_refused_as_such() -> None:
    with pytest.raises(SchemaUnknown):
        read_desired(desired(schema=2, deployments="of another form"))
    with pytest.raises(SchemaUnknown):
        read_command(b'{"schema": 99}')


def test_a_message_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(MessageTooLarge):
        read_desired(b" " * (PAYLOAD_MAX + 1))


def test_many_faults_make_no_long_answer() -> None:
    wanted = [deployment(id=number, select={"nodes": [1] * 500}) for number in range(100)]
    with pytest.raises(MessageMalformed) as refused:
        read_desired(desired(*wanted))
    assert len(refused.value.message) <= 500
    assert "more" in refused.value.message


@pytest.mark.parametrize(
    ("verb", "args", "expected"),
    [
        ("cancel", {"target": "17"}, Cancel(target="17")),
        ("rollback", {"node": "pump-1", "later": True}, Rollback(node="pump-1")),
        ("probe", {"node": "pump-1"}, Probe(node="pump-1", allow_restart=False)),
        ("probe", {"node": "pump-1", "allow_restart": True}, Probe(node="pump-1", allow_restart=True)),
        ("refresh", {"why": "I wonder"}, Refresh()),
    ],
)
def test_each_verb_has_its_arguments(verb: str, args: dict[str, Any], expected: object) -> None:
    payload = json.dumps({"schema": 1, "id": "c", "verb": verb, "args": args}).encode()
    assert read_args(read_command(payload)) == expected


@pytest.mark.parametrize("verb", ["deploy", "flash", "Rollback", "rollback ", "__init__", "\x00"])
def test_another_verb_is_refused_by_name(verb: str) -> None:
    with pytest.raises(VerbUnknown) as refused:
        read_args(read_command(json.dumps({"schema": 1, "id": "c", "verb": verb}).encode()))
    assert all(known in refused.value.message for known in VERBS)


def test_the_place_of_a_bad_argument_is_named() -> None:
    with pytest.raises(MessageMalformed, match=r"^args\.node: "):
        read_args(
            CommandEnvelope.model_validate({"schema": 1, "id": "c", "verb": "probe", "args": {"node": 7}})
        )


def read_all(payload: bytes) -> None:
    """Everything that a message may meet; only the named errors may come of it."""
    for read in (read_desired, lambda data: read_args(read_command(data))):
        refused: MessageMalformed | VerbUnknown | None = None
        try:
            read(payload)
        except (MessageMalformed, VerbUnknown) as error:
            refused = error
        assert refused is None or (refused.code and 0 < len(refused.message) <= 500)


@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(payload: bytes) -> None:
    read_all(payload)


@given(JSON)
def test_no_json_brings_it_down(value: Any) -> None:
    read_all(json.dumps(value).encode())


@given(
    st.fixed_dictionaries(
        {"schema": st.just(1)},
        optional={
            "id": st.text(max_size=5) | JSON,
            "verb": st.sampled_from([*VERBS, "deploy"]) | JSON,
            "args": st.dictionaries(st.sampled_from(["node", "target", "allow_restart"]), JSON) | JSON,
            "revision": st.integers() | JSON,
            "deployments": st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "id": st.text(max_size=5) | JSON,
                        "release": st.dictionaries(
                            st.sampled_from(["product", "version", "manifest_url"]), JSON
                        ),
                        "select": st.dictionaries(
                            st.sampled_from(["nodes", "profiles", "labels", "all"]), JSON
                        ),
                        "policy": st.dictionaries(st.sampled_from(["soak", "no_rollback"]), JSON),
                    },
                ),
                max_size=3,
            )
            | JSON,
        },
    )
)
def test_no_message_that_is_nearly_right_brings_it_down(value: Any) -> None:
    read_all(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("verb", "args", "place"),
    [
        ("pause", {}, "name a deployment"),
        ("pause", {"deployment": "d", "all": True}, "name a deployment"),
        ("resume", {}, "name a deployment"),
        ("release-hold", {}, "args.release"),
        ("release-recall", {"release": "p:1", "back": "yes"}, "args.back"),
    ],
)
def test_a_pause_or_a_recall_that_does_not_say_of_what_is_refused(
    verb: str, args: dict[str, Any], place: str
) -> None:
    text = json.dumps({"schema": 1, "id": "1", "verb": verb, "args": args})
    with pytest.raises(MessageMalformed) as caught:
        read_args(read_command(text.encode()))
    assert place in caught.value.message


def test_waves_and_their_limits_come_as_they_were_sent() -> None:
    policy = {"waves": [1, 5], "stop_in_a_row": 3, "stop_share": 0.5, "no_rollback": "canary-only"}
    (request,) = read_desired(desired(deployment(policy=policy))).requests()
    assert request.policy.waves == (1, 5)
    assert (request.policy.stop_in_a_row, request.policy.stop_share) == (3, 0.5)
    assert (request.policy.no_rollback, request.policy.all_at_once) == ("canary-only", False)
