"""The release file: read without trusting any of it."""

import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashers.api.data import Digest
from gateway.releases.bundle import MANIFEST_NAME, ReleaseFile
from gateway.releases.dsse import Envelope
from gateway.releases.errors import BadBundle, BundleMismatch, ReleaseError, ReleaseIncomplete
from gateway.releases.make import check_release_file
from gateway.releases.manifest import Manifest, ReleaseArtifact
from tests.gateway.releases.world import ALICE, APP, RADIO, Bench


def manifest_for(data: bytes, *, size: int | None = None, urls: tuple[str, ...] = ()) -> Manifest:
    artifact = ReleaseArtifact(
        profile="p",
        name="app.bin",
        format="raw",
        digest=Digest.sha256(data),
        size=len(data) if size is None else size,
        urls=urls,
    )
    return Manifest(product="x", version="1", artifacts=(artifact,))


def packed(
    path: Path,
    entries: list[tuple[str, bytes]],
    manifest: Manifest | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """A zip made by the standard library, with whatever it is told to hold."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(MANIFEST_NAME, Envelope((manifest or manifest_for(APP)).payload()).encode())
        for name, data in entries:
            archive.writestr(name, data)
    return path


def read_all(path: Path) -> dict[str, bytes]:
    """What a gateway would take out of the file."""
    with ReleaseFile.open(path) as file:
        manifest = check_manifest(file)
        return {
            artifact.name: b"".join(file.chunks(artifact))
            for artifact in manifest.artifacts
            if artifact.name in file.names
        }


def check_manifest(file: ReleaseFile) -> Manifest:
    from gateway.releases.manifest import read_manifest

    manifest = read_manifest(Envelope.parse(file.envelope).payload)
    file.check(manifest)
    return manifest


def test_what_goes_in_comes_out(bench: Bench) -> None:
    assert read_all(bench.make(ALICE)) == {"app.bin": APP, "radio.bin": RADIO}


def test_ordinary_zip_tools_can_read_it(bench: Bench) -> None:
    with zipfile.ZipFile(bench.make(ALICE)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST_NAME, "artifacts/app.bin", "artifacts/radio.bin"]
        assert archive.read("artifacts/app.bin") == APP


def test_the_same_release_is_the_same_file(bench: Bench) -> None:
    one, other = bench.make(ALICE, name="one"), bench.make(ALICE, name="other")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_packed_by_hand_is_read(tmp_path: Path, method: int) -> None:
    assert read_all(packed(tmp_path / "r", [("artifacts/app.bin", APP)], method=method)) == {"app.bin": APP}


@pytest.mark.parametrize(
    "name",
    ["app.bin", "/etc/passwd", "../artifacts/app.bin", "artifacts", "__MACOSX/app.bin", "Artifacts/app.bin"],
)
def test_an_entry_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBundle):
        read_all(packed(tmp_path / "r", [("artifacts/app.bin", APP), (name, b"x")]))


@pytest.mark.parametrize(
    "name",
    [
        "artifacts/../../x",
        "artifacts//etc/passwd",
        "artifacts/",
        "artifacts/other.bin",
        "artifacts/./app.bin",
    ],
)
def test_an_artifact_that_the_manifest_does_not_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleMismatch):
        read_all(packed(tmp_path / "r", [("artifacts/app.bin", APP), (name, b"x")]))


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    path = packed(tmp_path / "r", [("artifacts/app.bin", APP)])
    read_all(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBundle):
        read_all(packed(tmp_path / "r", [("artifacts/app.bin", b"bad"), ("artifacts/app.bin", APP)]))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(BadBundle):
        read_all(packed(tmp_path / "r", [("artifacts/app.bin", APP)], method=method))


def test_other_bytes_of_the_same_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleMismatch, match="manifest names"):
        read_all(packed(tmp_path / "r", [("artifacts/app.bin", APP[:-1] + b"!")]))


def test_another_size_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "r", [("artifacts/app.bin", APP + b"!")])
    with ReleaseFile.open(path) as file, pytest.raises(BundleMismatch, match="bytes, not"):
        check_manifest(file)


def test_an_artifact_may_be_left_out_if_it_can_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ReleaseIncomplete):
        read_all(packed(tmp_path / "r", []))
    here = manifest_for(APP, urls=("https://example.org/app.bin",))
    assert read_all(packed(tmp_path / "r", [], here)) == {}
    beside = manifest_for(APP, urls=("app.bin",))
    with ReleaseFile.open(packed(tmp_path / "r", [], beside)) as file:
        with pytest.raises(ReleaseIncomplete):
            file.check(beside)
        file.check(beside, base="https://example.org/m.json")


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte, whose headers claim to be what the manifest names."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(1024)) + bomb.flush()
    assert len(data) < 2 << 20
    path = packed(tmp_path / "r", [("artifacts/app.bin", b"x")], method=zipfile.ZIP_STORED)
    replace_last_entry(path, data, claimed=len(APP))
    given_out: list[bytes] = []
    tracemalloc.start()
    with ReleaseFile.open(path) as file:
        (artifact,) = check_manifest(file).artifacts
        with pytest.raises(BadBundle, match="CRC"):  # it was inflated as far as it was announced
            given_out.extend(file.chunks(artifact))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(map(len, given_out)) <= len(APP)
    assert peak < 4 << 20


def replace_last_entry(path: Path, deflated: bytes, *, claimed: int) -> None:
    """Put a deflate stream in place of the last entry's data, and lie about its size."""
    old = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[-1]
        directory = bytearray(old[archive.start_dir :])
    head = bytearray(old[: info.header_offset + 30 + len(info.filename)])
    entry = directory.rfind(b"PK\x01\x02")
    # APPNOTE 4.3.7 and 4.3.12: method; CRC and the two sizes; 4.3.16: where the directory is.
    for where, method, sizes in ((head, info.header_offset + 8, 6), (directory, entry + 10, 6)):
        struct.pack_into("<H", where, method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<LLL", where, method + sizes, info.CRC, len(deflated), claimed)
    struct.pack_into("<L", directory, len(directory) - 6, len(head) + len(deflated))
    path.write_bytes(bytes(head) + deflated + bytes(directory))


def directory_of(count: int) -> bytes:
    """A zip that is nothing but a directory of that many entries."""
    entry = (
        struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        + b"a"
    )
    body = b"PK\x03\x04"
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, count * len(entry), 4, 0
    )
    return body + entry * count + end


@pytest.mark.parametrize(
    "make",
    [
        lambda good: directory_of(5_000),
        lambda good: directory_of(70_000),
        lambda good: good + b"x",
        lambda good: b"PK\x03\x04" + good,
        lambda good: good[:-2] + b"\x05\x00hello",
        lambda good: b"PK\x03\x04",
        lambda good: b"",
        lambda good: b"MZ" + good,
        lambda good: b"{" + bytes(5 << 20),
    ],
    ids=["many", "more", "appended", "prefixed", "comment", "start", "empty", "other", "endless manifest"],
)
def test_a_file_of_another_form_is_refused_at_once(
    bench: Bench, tmp_path: Path, make: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "other"
    path.write_bytes(make(bench.make(ALICE).read_bytes()))
    tracemalloc.start()
    with pytest.raises(BadBundle):
        read_all(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="cannot read"):
        read_all(tmp_path / "nowhere")
    with pytest.raises(BadBundle, match="cannot read"):
        read_all(tmp_path)


def test_a_bare_manifest_is_a_release_file_without_artifacts(bench: Bench) -> None:
    path = bench.make(ALICE, bare=True)
    with ReleaseFile.open(path) as file:
        assert not file.is_bundle
        assert not file.names
        assert Envelope.parse(file.envelope).signatures


def judged(data: bytes, path: Path) -> None:
    """Whatever the bytes are: the right artifacts, or a named error."""
    path.write_bytes(data)
    try:
        envelope, manifest, names = check_release_file(path)
    except ReleaseError:
        return
    assert {artifact.name for artifact in manifest.artifacts} == names
    assert read_all(path) == {"app.bin": APP[:64], "radio.bin": RADIO[:64]}
    assert envelope.payload == manifest.payload()


@pytest.fixture
def small(bench: Bench) -> bytes:
    files = {"app.bin": APP[:64], "radio.bin": RADIO[:64]}
    return Bench(bench.folder, files=files).make(ALICE).read_bytes()


def test_no_single_damage_gives_other_artifacts(small: bytes, tmp_path: Path) -> None:
    for place in range(len(small)):
        for damage in (0x01, 0xFF):
            changed = bytearray(small)
            changed[place] ^= damage
            judged(bytes(changed), tmp_path / "damaged")


def test_a_file_that_was_cut_off_anywhere_is_refused(small: bytes, tmp_path: Path) -> None:
    for length in range(len(small)):
        (tmp_path / "cut").write_bytes(small[:length])
        with pytest.raises(ReleaseError):
            check_release_file(tmp_path / "cut")


edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "add", "copy"]),
        st.floats(0, 1),
        st.floats(0, 1),
        st.binary(max_size=12),
    ),
    min_size=1,
    max_size=6,
)


@given(edits=edits)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_gives_other_artifacts(
    small: bytes, tmp_path: Path, edits: list[tuple[str, float, float, bytes]]
) -> None:
    data = small
    for kind, where, reach, new in edits:
        start = int(where * len(data))
        end = start + int(reach * 40)
        match kind:
            case "set":
                data = data[:start] + new + data[start + len(new) :]
            case "cut":
                data = data[:start] + data[end:]
            case "add":
                data = data[:start] + new + data[start:]
            case _:
                data = data[:end] + data[start:end] + data[end:]
    judged(data, tmp_path / "damaged")
