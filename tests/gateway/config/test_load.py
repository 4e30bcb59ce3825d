"""A configuration is what its layers say, and nothing else is taken for it."""

from pathlib import Path

import pytest

from gateway.config.errors import BadConfig
from gateway.config.findings import Finding
from gateway.config.load import load_config
from gateway.config.show import values

NODE = 'profile = "demo-relay"\nlink = "uart:/dev/ttyUSB0"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the main file goes."""
    return tmp_path / "gateway.toml"


def findings(file: Path | None, **given: dict[str, str]) -> list[Finding]:
    """What is wrong, in order."""
    with pytest.raises(BadConfig) as bad:
        load_config(file, environment=given.get("environment", {}))
    return list(bad.value.findings)


def test_without_any_file_there_is_a_configuration_that_trusts_nobody() -> None:
    config = load_config(None, environment={}).config
    assert config.trust.unsigned == "refuse"
    assert not config.trust.keys
    assert config.nodes == {}
    assert (str(config.state), str(config.socket)) == ("/var/lib/tender", "/run/tender/tender.sock")


def test_each_layer_is_stronger_than_the_one_before(file: Path) -> None:
    file.write_text(
        '[gateway]\nname = "file"\n[log]\nlevel = "error"\n'
        "[store]\nmax_bytes = 2000000\n[rollout]\nper_link = 2\n"
    )
    folder = file.with_suffix(".d")
    folder.mkdir()
    (folder / "20-late.toml").write_text('[gateway]\nname = "late"\n')
    (folder / "10-early.toml").write_text('[gateway]\nname = "early"\n[log]\nlevel = "warning"\n')
    (folder / "note.txt").write_text("no TOML")
    loaded = load_config(
        file,
        environment={"TENDER_LOG__LEVEL": "debug", "TENDER_STORE__MAX_BYTES": "3000000"},
        flags={"store.max_bytes": ("4000000", "--set store.max_bytes")},
    )
    assert loaded.config.gateway.name == "late"
    assert loaded.config.log.level == "debug"
    assert loaded.config.store.max_bytes == 4_000_000
    assert loaded.config.rollout.per_link == 2
    origins = {value.key: value.origin for value in values(loaded, {})}
    assert origins["gateway.name"] == f"{folder / '20-late.toml'}:2"
    assert origins["log.level"] == "TENDER_LOG__LEVEL"
    assert origins["store.max_bytes"] == "--set store.max_bytes"
    assert origins["rollout.per_link"] == f"{file}:8"
    assert origins["rollout.max_in_parallel"] == "built-in"


def test_an_unknown_key_names_the_nearest_known_one_and_its_line(file: Path) -> None:
    file.write_text('[gateway]\nname = "a"\n\n[rollout]\nmax_in_paralel = 3\n')
    (finding,) = findings(file)
    assert finding.code == "config-unknown-key"
    assert finding.where == f"{file}:5"
    assert finding.key == "rollout.max_in_paralel"
    assert "Did you mean max_in_parallel?" in finding.remedy


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(file: Path) -> None:
    file.write_text(
        'stop_budget = -1\nstate = "here"\n[log]\nlevel = "loud"\n[store]\nmax_bytes = "many"\n'
        '[nodes.a]\nprofile = "p"\n[nodes."b c"]\n' + NODE
    )
    found = [(each.where.rpartition(":")[2], each.code, each.key) for each in findings(file)]
    assert found == [
        ("1", "config-out-of-range", "stop_budget"),
        ("2", "config-bad-value", "state"),
        ("4", "config-bad-value", "log.level"),
        ("6", "config-bad-type", "store.max_bytes"),
        ("7", "config-missing-key", "nodes.a.link"),
        ("9", "config-bad-value", "nodes.b c"),
    ]


def test_one_bad_node_among_many_is_named(file: Path) -> None:
    nodes = [f'[nodes.n{at}]\nprofile = "p"\nlink = "uart:/dev/tty{at}"\n' for at in range(200)]
    nodes[77] = '[nodes.n77]\nprofile = "p"\nlink = "serial:/dev/tty77"\n'
    file.write_text("".join(nodes))
    (finding,) = findings(file)
    assert finding.key == "nodes.n77.link"
    assert finding.where == f"{file}:{77 * 3 + 3}"
    assert "uart" in finding.message


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("uart:/dev/x?boud=9600", "baud"),
        ("uart:/dev/x?baud=fast", "number"),
        ("uart:", "port"),
        ("x", "uart"),
        ("socket://host", "HOST:PORT"),
        ("rfc2217://host:99999", "HOST:PORT"),
    ],
)
def test_a_link_that_could_never_be_opened_is_told_at_once(file: Path, link: str, says: str) -> None:
    file.write_text(f'[nodes.a]\nprofile = "p"\nlink = "{link}"\n')
    (finding,) = findings(file)
    assert (finding.key, finding.where) == ("nodes.a.link", f"{file}:3")
    assert says in finding.message


def test_nodes_may_be_a_list_and_keep_their_lines(file: Path) -> None:
    file.write_text(
        f'[[nodes]]\nname = "a"\n{NODE}[[nodes]]\nname = "b"\n'
        'profile = "p"\nlink = "socket://host:1"\nlabel = 1\n'
    )
    (finding,) = findings(file)
    assert (finding.key, finding.where) == ("nodes.b.label", f"{file}:9")
    file.write_text(file.read_text().replace("label = 1", "labels = { room = 'x' }"))
    config = load_config(file, environment={}).config
    assert list(config.nodes) == ["a", "b"]
    assert config.nodes["b"].labels == {"room": "x"}


def test_a_list_of_nodes_tells_names_that_are_missing_or_twice(file: Path) -> None:
    file.write_text(f'[[nodes]]\nname = "a"\n{NODE}[[nodes]]\n{NODE}[[nodes]]\nname = "a"\n{NODE}')
    missing, twice = findings(file)
    assert (missing.code, missing.where) == ("config-missing-key", f"{file}:5")
    assert (twice.code, twice.where) == ("config-node-twice", f"{file}:8")
    assert f"{file}:1" in twice.message


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("uart:/dev/a", "uart:/dev/a", True),
        ("uart:/dev/a", "uart:/dev/a?baud=9600", True),
        ("uart:/dev/a#1", "uart:/dev/a#1", True),
        ("uart:/dev/a#1", "uart:/dev/a", True),
        ("uart:/dev/a#1", "uart:/dev/a#2", False),
        ("uart:/dev/a", "uart:/dev/b", False),
    ],
)
def test_two_nodes_that_could_not_be_told_apart_are_refused(
    file: Path, one: str, other: str, clash: bool
) -> None:
    file.write_text(f'[nodes]\na = {{profile="p", link="{one}"}}\nb = {{profile="p", link="{other}"}}\n')
    if clash:
        assert {each.code for each in findings(file)} == {"config-link-twice"}
    else:
        assert len(load_config(file, environment={}).config.nodes) == 2


def test_a_variable_that_is_meant_for_us_has_to_be_right() -> None:
    (finding,) = findings(None, environment={"TENDER_TRUST__TRESHOLD": "2"})
    assert (finding.where, finding.code) == ("TENDER_TRUST__TRESHOLD", "config-unknown-key")
    assert "threshold" in finding.remedy
    (finding,) = findings(None, environment={"TENDER_TRUTS__THRESHOLD": "2"})
    assert finding.code == "config-unknown-key"
    (finding,) = findings(None, environment={"TENDER_PROFILES": '["/a"'})
    assert (finding.where, finding.code) == ("TENDER_PROFILES", "config-syntax")


def test_variables_of_a_container_runtime_do_no_harm_but_are_told() -> None:
    loaded = load_config(None, environment={"TENDER_PORT": "tcp://x", "TENDER_STATEE": "/x", "PATH": "/bin"})
    assert len(loaded.aside) == 2
    assert any("did you mean TENDER_STATE?" in text for text in loaded.aside)


def test_a_variable_can_say_a_list_and_a_node() -> None:
    loaded = load_config(
        None,
        environment={
            "TENDER_PROFILES": '["/etc/a", "/etc/b"]',
            "TENDER_NODES__Th-1__LINK": "socket://h:1",
            "TENDER_NODES__Th-1__PROFILE": "p",
        },
    )
    assert [str(path) for path in loaded.config.profiles] == ["/etc/a", "/etc/b"]
    assert loaded.config.nodes["Th-1"].link == "socket://h:1"


def test_folders_of_the_service_manager_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/private/t:/other")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/t")
    loaded = load_config(None, environment={})
    assert str(loaded.config.state) == "/var/lib/private/t"
    assert str(loaded.config.socket) == "/run/t/tender.sock"
    shown = {value.key: value.origin for value in values(loaded)}
    assert shown["state"] == "$STATE_DIRECTORY"


def test_a_file_that_is_missing_or_no_text_is_named(file: Path) -> None:
    (finding,) = findings(file)
    assert (finding.code, finding.where) == ("config-unreadable", str(file))
    file.write_bytes(b"a = 1\nb = \xff\n")
    (finding,) = findings(file)
    assert (finding.code, finding.where) == ("config-syntax", f"{file}:2")
    file.write_text("a = 1\nb = = 2\n")
    (finding,) = findings(file)
    assert (finding.code, finding.where) == ("config-syntax", f"{file}:2")
    file.write_text("a = " + "[" * 5000)
    assert findings(file)[0].code == "config-syntax"


def test_secrets_are_shown_to_nobody(file: Path) -> None:
    text = '[upstream.mqtt]\nurl = "mqtt://h"\nusername = "gw"\npassword = "hunter2"\n'
    file.write_text(text)
    shown = values(load_config(file, environment={}), {})
    assert "hunter2" not in repr(shown)
    assert {value.key: value.value for value in shown}["upstream.mqtt.password"] == "(secret)"
    file.write_text(text.replace('"hunter2"', '["hunter2"]'))
    assert "hunter2" not in str(findings(file))


def test_trust_that_contradicts_itself_is_refused(file: Path) -> None:
    file.write_text('[trust]\nthreshold = 2\nkeys.a = "ed25519:no"\n')
    (finding,) = findings(file)
    assert finding.where == f"{file}:1"
    assert "trust.keys.a" in finding.message


def test_ten_thousand_nodes_are_read_in_a_moment(file: Path) -> None:
    file.write_text(
        "".join(f'[nodes.n{at}]\nprofile="p"\nlink="socket://h:{at + 1}"\n' for at in range(10_000))
    )
    assert len(load_config(file, environment={}).config.nodes) == 10_000
