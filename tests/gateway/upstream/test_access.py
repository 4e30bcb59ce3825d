"""Who may talk to whom: names and passwords, access lists, certificates."""

import datetime as dt
import ipaddress
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.upstream.mqtt import MqttUpstream
from tests.gateway.upstream.conftest import eventually, served
from tests.gateway.upstream.small import SmallGateway, quick
from tests.peers import debian
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer


def trouble(upstream: MqttUpstream) -> str:
    return upstream.trouble.code if upstream.trouble is not None else ""


def remedy(upstream: MqttUpstream) -> str:
    return upstream.trouble.what_to_do if upstream.trouble is not None else ""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets in `gw` with the password `right`, and nobody else."""
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    program = debian.program("mosquitto_passwd")
    subprocess.run([program, "-b", str(passwords), "gw", "right"], check=True, capture_output=True)
    extra = f"allow_anonymous false\npassword_file {passwords}"
    with Broker(tmp_path / "guarded", extra=extra) as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_wrong_password_is_named_and_a_right_one_is_taken_without_a_restart(
    guarded: Broker, gateway: SmallGateway, tmp_path: Path, protocol: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    gateway.tell()
    settings = quick(guarded.url, username="gw", password_file=secret, protocol=protocol)
    async with served(gateway, settings) as upstream:
        await eventually(lambda: trouble(upstream) == "upstream-refused")
        assert not upstream.connected
        assert "password" in remedy(upstream)
        assert len(gateway.unsent_events) == 1
        secret.write_text("right\n")
        await eventually(lambda: upstream.connected)
        assert trouble(upstream) == ""
        await eventually(lambda: not gateway.unsent_events)


async def test_a_password_that_cannot_be_read_is_trouble_and_no_end(
    guarded: Broker, gateway: SmallGateway, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    async with served(gateway, quick(guarded.url, username="gw", password_file=secret)) as upstream:
        await eventually(lambda: trouble(upstream) == "upstream-unreachable")
        secret.write_text("right")
        await eventually(lambda: upstream.connected)


async def test_nobody_there_is_trouble_and_no_end(gateway: SmallGateway, broker: Broker) -> None:
    broker.stop()
    async with served(gateway, quick(broker.url)) as upstream:
        await eventually(lambda: trouble(upstream) == "upstream-unreachable")
        broker.start()
        await eventually(lambda: upstream.connected)


async def test_an_event_that_the_broker_does_not_take_is_kept(gateway: SmallGateway, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write tender/gw-1/status\ntopic write tender/gw-1/node/#\ntopic read tender/#\n")
    gateway.tell()
    with Broker(tmp_path / "strict", extra=f"acl_file {rights}") as broker:
        async with served(gateway, quick(broker.url)) as upstream:
            await eventually(lambda: trouble(upstream) == "upstream-refused")
            await eventually(lambda: upstream.connected)
            await eventually(lambda: trouble(upstream) == "upstream-refused")
        assert len(gateway.unsent_events) == 1


PLUGIN = "mosquitto_dynamic_security.so"


def plugin_folders() -> list[Path]:
    return [*debian.library_folders(), *Path("/usr/lib").glob("*-linux-gnu")]


def nobody_may_subscribe_to(topic: str) -> str:
    """Rights as mosquitto's dynamic-security plugin reads them."""
    everything = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    denied = {"acltype": "subscribeLiteral", "topic": topic, "priority": 1, "allow": False}
    return json.dumps(
        {
            "defaultACLAccess": dict.fromkeys(everything, True),
            "anonymousGroup": "anybody",
            "groups": [{"groupname": "anybody", "roles": [{"rolename": "limited"}], "clients": []}],
            "roles": [{"rolename": "limited", "acls": [denied]}],
            "clients": [],
        }
    )


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_gateway_that_may_not_be_commanded_says_so_and_tells_all_the_same(
    gateway: SmallGateway, tmp_path: Path, protocol: str
) -> None:
    command = "tender/gw-1/command"
    rights = tmp_path / "rights.json"
    rights.write_text(nobody_may_subscribe_to(command))
    plugin = next(folder / PLUGIN for folder in plugin_folders() if (folder / PLUGIN).exists())
    extra = f"plugin {plugin}\nplugin_opt_config_file {rights}"
    gateway.tell()
    with (
        Broker(tmp_path / "strict", extra=extra) as broker,
        Listener(broker.port, "tender/+/status") as listener,
    ):
        async with served(gateway, quick(broker.url, protocol=protocol)):
            await listener.until(lambda: listener.count("tender/gw-1/status") > 0)
            await eventually(lambda: not gateway.unsent_events)
    (warning,) = listener.heard[0].json["warnings"]
    assert warning["code"] == "upstream-not-read"
    assert command in warning["message"]


class Authority:
    """Makes certificates, and says who made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {folder.name}")])
        own = self._certificate(self._name, self._key.public_key(), authority=True)
        self.file = self._write("ca", own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for this machine, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key.public_key(), authority=False)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        return self._write(name, public), self._write(f"{name}.key", secret)

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> Path:
        file = self.folder / f"{name}.pem"
        file.write_bytes(data)
        return file


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The one that everybody here believes."""
    return Authority(tmp_path / "ours")


@pytest.fixture
def encrypted(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    """A broker that speaks TLS only, and asks for a certificate."""
    certificate, key = authority.issue("broker")
    extra = f"cafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true"
    with Broker(tmp_path / "encrypted", extra=extra) as broker:
        yield broker


def secure(broker: Broker) -> str:
    return broker.url.replace("mqtt://", "mqtts://")


async def test_a_gateway_and_a_broker_that_know_each_other_talk_encrypted(
    encrypted: Broker, authority: Authority, gateway: SmallGateway
) -> None:
    certificate, key = authority.issue("gateway")
    settings = quick(
        secure(encrypted), ca_file=authority.file, cert_file=certificate, key_file=key, progress_every=0.01
    )
    for number in range(300):
        gateway.tell(number=number)
    async with served(gateway, settings) as upstream:
        await eventually(lambda: not gateway.unsent_events)
        assert upstream.connected


async def test_a_broker_that_nobody_vouches_for_is_told_nothing(
    encrypted: Broker, authority: Authority, gateway: SmallGateway, tmp_path: Path
) -> None:
    others = Authority(tmp_path / "others")
    certificate, key = authority.issue("gateway")
    gateway.tell()
    settings = quick(secure(encrypted), ca_file=others.file, cert_file=certificate, key_file=key)
    async with served(gateway, settings) as upstream:
        await eventually(lambda: "certificate" in str(upstream.trouble).lower())
        assert not upstream.connected
    assert len(gateway.unsent_events) == 1


async def test_a_gateway_without_a_certificate_is_not_let_in_and_goes_on(
    encrypted: Broker, authority: Authority, gateway: SmallGateway
) -> None:
    async with served(gateway, quick(secure(encrypted), ca_file=authority.file)) as upstream:
        await eventually(lambda: trouble(upstream) != "")
        assert not upstream.connected


async def test_a_plain_connection_to_an_encrypted_broker_is_trouble_and_no_end(
    encrypted: Broker, gateway: SmallGateway
) -> None:
    async with served(gateway, quick(encrypted.url)) as upstream:
        await eventually(lambda: trouble(upstream) != "")
        assert not upstream.connected


async def test_certificates_that_cannot_be_read_are_trouble_and_no_end(
    encrypted: Broker, gateway: SmallGateway, tmp_path: Path
) -> None:
    settings = quick(secure(encrypted), ca_file=tmp_path / "no-such")
    async with served(gateway, settings) as upstream:
        await eventually(lambda: trouble(upstream) == "upstream-unreachable")
