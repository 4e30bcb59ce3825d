"""The manifest: what it may say, and that an older reader never understands half of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api.data import Digest
from gateway.releases.errors import BadRelease, ManifestTooNew
from gateway.releases.manifest import SCHEMA, Manifest, ReleaseArtifact, read_manifest
from gateway.releases.rules import hardware_reason

ARTIFACT: dict[str, Any] = {
    "profile": "mcuboot-uart",
    "name": "app.bin",
    "format": "mcuboot",
    "digest": str(Digest.sha256(b"app")),
    "size": 3,
}
MANIFEST: dict[str, Any] = {"schema": 1, "product": "thermostat", "version": "2.1.0", "artifacts": [ARTIFACT]}


def read(value: object) -> Manifest:
    return read_manifest(json.dumps(value).encode())


def with_artifacts(*changes: dict[str, Any]) -> dict[str, Any]:
    return MANIFEST | {"artifacts": [ARTIFACT | change for change in changes]}


def test_what_is_left_out_has_a_meaning() -> None:
    manifest = read(MANIFEST)
    (artifact,) = manifest.artifacts
    assert artifact.key == ("mcuboot-uart", "app", None)
    assert manifest.version_of(artifact) == "2.1.0"
    assert manifest.id == "thermostat:2.1.0"


def test_a_manifest_reads_back_as_it_was_made() -> None:
    full = ARTIFACT | {
        "component": "radio",
        "variant": "r2",
        "hardware": ["th r2", "0x4d58"],
        "version": "7.0.0+12",
        "follows": "1.4.0",
        "data_format": "settings-3",
        "can_return_to": ["settings-2"],
        "urls": ["https://example.org/app.bin", "app.bin"],
    }
    made = read(MANIFEST | {"created": "2025-11-02T10:00:00Z", "notes": "A\nB", "artifacts": [full]})
    assert read_manifest(made.payload()) == made
    assert read_manifest(made.payload()).payload() == made.payload()


def test_a_newer_manifest_is_too_new_and_not_half_understood() -> None:
    newer = MANIFEST | {"schema": SCHEMA + 1, "only_on_full_moon": True}
    with pytest.raises(ManifestTooNew, match=f"schema {SCHEMA + 1}") as caught:
        read(newer)
    assert "Upgrade" in caught.value.what_to_do


@pytest.mark.parametrize("where", ["manifest", "artifact"])
def test_a_condition_that_is_not_known_is_never_ignored(where: str) -> None:
    unknown = {"only_on_full_moon": True}
    with pytest.raises(BadRelease, match="only_on_full_moon"):
        read(MANIFEST | unknown if where == "manifest" else with_artifacts(unknown))


def test_the_artifact_for_a_variant_goes_before_the_one_for_all() -> None:
    manifest = read(
        with_artifacts({}, {"variant": "r2", "name": "r2.bin", "digest": str(Digest.sha256(b"r2!"))})
    )
    for variant, name in ((None, "app.bin"), ("r2", "r2.bin"), ("r9", "app.bin")):
        artifact = manifest.pick("mcuboot-uart", variant=variant)
        assert artifact is not None
        assert artifact.name == name
    assert manifest.pick("mcuboot-uart", component="radio") is None
    assert manifest.pick("optiboot") is None
    assert len(list(manifest.for_profile("mcuboot-uart"))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        ({}, {}),
        ({}, {"component": "radio", "digest": str(Digest.sha256(b"ppa"))}),
        ({}, {"component": "radio", "name": "b", "size": 4}),
        ({"can_return_to": ["x"]},),
        ({"digest": "sha256:00"},),
        ({"digest": "md5:" + "00" * 16},),
        ({"digest": str(Digest.sha256(b"a")).upper()},),
        ({"digest": "sha256:" + " ".join(["00"] * 32)},),
        ({"digest": {"algorithm": "sha256", "value": "00" * 32}},),
        ({"size": 0},),
        ({"size": -1},),
        ({"size": 1 << 40},),
        ({"size": "3"},),
        ({"size": 3.0},),
        ({"size": True},),
        ({"name": "../app.bin"},),
        ({"name": "a/b"},),
        ({"name": ".hidden"},),
        ({"name": "a\n"},),
        ({"name": ""},),
        ({"profile": "a b"},),
        ({"hardware": "th-r2"},),
        ({"hardware": [""]},),
        ({"hardware": ["a\u001b[2J"]},),
        ({"version": ""},),
        ({"urls": ["file:///etc/passwd"]},),
        ({"urls": ["https://user:secret@example.org/a"]},),
        ({"urls": ["//example.org/a"]},),
        ({"urls": ["http:a"]},),
        ({"urls": ["https://[bad/a"]},),
        ({"urls": ["https://example.org/a b"]},),
        ({"urls": ["x"] * 9},),
        (),
    ],
    ids=str,
)
def test_what_contradicts_itself_or_reaches_outside_is_refused(changes: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(BadRelease):
        read(with_artifacts(*changes))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 0},
        {"schema": True},
        {"schema": "1"},
        {"schema": None},
        {"version": "1 0"},
        {"created": "yesterday"},
        {"notes": "\u001b]0;owned\u0007"},
        {"notes": "abc\u202egnp.exe"},
        {"notes": "\ud800"},
        {"product": "x" * 129},
        {"artifacts": {}},
    ],
    ids=ascii,
)
def test_a_manifest_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRelease) as caught:
        read(MANIFEST | change)
    assert caught.value.message.isprintable()


def test_what_a_file_calls_its_fields_does_not_reach_the_terminal() -> None:
    with pytest.raises(BadRelease) as caught:
        read(MANIFEST | {"\u001b[2J" + "x" * 10_000: 1})
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_relative_addresses_are_found_beside_the_manifest() -> None:
    (artifact,) = read(with_artifacts({"urls": ["files/app.bin", "https://mirror.example.org/x"]})).artifacts
    assert artifact.addresses("https://example.org/fw/m.json") == (
        "https://example.org/fw/files/app.bin",
        "https://mirror.example.org/x",
    )
    assert artifact.addresses() == ("https://mirror.example.org/x",)


def test_hardware_is_refused_unless_it_is_known_to_fit() -> None:
    (any_hardware,) = read(MANIFEST).artifacts
    (some,) = read(with_artifacts({"hardware": ["th-r2", "th-r3"]})).artifacts
    assert hardware_reason(any_hardware, ()) is None
    assert hardware_reason(some, ("th-r1", "th-r3")) is None
    for hardware in ((), ("th-r1",)):
        reason = hardware_reason(some, hardware)
        assert reason is not None
        assert reason.code == "wrong-hardware"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    field=st.sampled_from([*Manifest.model_fields, "schema", "new"]),
    artifact_field=st.sampled_from([*ReleaseArtifact.model_fields, "new"]),
    value=values,
    inside=st.booleans(),
)
def test_any_value_in_any_field_gives_a_manifest_or_a_named_error(
    field: str, artifact_field: str, value: object, inside: bool
) -> None:
    changed = with_artifacts({artifact_field: value}) if inside else MANIFEST | {field: value}
    data = json.dumps(changed).encode()
    try:
        manifest = read_manifest(data)
    except (BadRelease, ManifestTooNew):
        return
    assert read_manifest(manifest.payload()) == manifest


@given(st.data())
def test_a_damaged_manifest_gives_a_manifest_or_a_named_error(data: st.DataObject) -> None:
    text = bytearray(json.dumps(MANIFEST).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        manifest = read_manifest(bytes(text))
    except (BadRelease, ManifestTooNew):
        return
    assert read_manifest(manifest.payload()) == manifest
