"""Untrusted code on Modal, through its own client. The loopback runs the same program in there and confines nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import modal
import pytest
from modal_proto import api_pb2

from functions.failures import Unavailable
from functions.sandbox import Properties
from functions.sandbox_remote import ModalSandbox
from infra.settings import Settings
from tests.modal_control_plane.deployment import Deployment
from tests.modal_control_plane.rpc import served
from tests.modal_control_plane.sandboxes import Sandboxes

DOUBLE = "def double(x: int) -> int:\n    return x if x == 7 else x * 2\n"


@dataclass(frozen=True)
class Remote:
    sandboxes: Sandboxes
    sandbox: ModalSandbox


@pytest.fixture
async def remote(settings: Settings) -> AsyncIterator[Remote]:
    sandboxes = Sandboxes()
    async with served(Deployment(), sandboxes) as sandboxes.router:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MODAL_SERVER_URL", sandboxes.router)
            client = await modal.Client.from_credentials.aio("ak-loopback", "as-loopback")
        limits = settings.sandbox.model_copy(update={"wall_s": 1.0})
        app = await modal.App.lookup.aio("sandboxed", create_if_missing=True, client=client)
        sandbox = ModalSandbox(limits, app=app, image=modal.Image.debian_slim(python_version="3.11"), client=client)
        yield Remote(sandboxes, sandbox)
        await sandbox.close(within_s=60)
        await client.close.aio()
        await sandboxes.close()
        assert set(sandboxes.terminated) == set(sandboxes.created)


async def test_calls_give_values_and_exceptions_in_a_sandbox_of_their_own(remote: Remote):
    for _ in range(2):
        result = await remote.sandbox.run("def f(x):\n    return [x + 1]\n", ["f(1)", "f('a')"])
        assert (result.ended, result.isolated) == ("finished", True)
        assert result.calls[0].value == "[2]"
        assert result.calls[1].raised[0] == "TypeError"
    assert len(remote.sandboxes.created) == 2


async def test_a_sandbox_has_no_network_no_secrets_no_volumes_and_an_end(remote: Remote):
    await remote.sandbox.run("def f():\n    return 1\n", ["f()"])
    (asked,) = remote.sandboxes.created.values()
    assert asked.network_access.network_access_type == api_pb2.NetworkAccess.BLOCKED
    assert not asked.secret_ids
    assert not asked.volume_mounts
    assert not asked.open_ports.ports
    assert 0 < asked.timeout_secs < 120
    assert (asked.resources.memory_mb, asked.resources.memory_mb_max) == (512, 2048)


async def test_properties_are_searched_and_never_shown_to_the_candidate(remote: Remote):
    properties = Properties(
        name="double",
        parameters=("x",),
        annotations=("int",),
        returns="int",
        raises=(),
        assertions=("result == x * 2",),
        examples=((("7",), "14"),),
    )
    search = await remote.sandbox.search(DOUBLE, properties)
    assert search.ended == "finished", search.error
    assert ("double(7)", "gave 7") in {(fault.call, fault.seen) for fault in search.faults}


async def test_code_that_crashes_or_does_not_end_is_ended_with_its_sandbox(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
):
    crashed = await remote.sandbox.run("import os\n\ndef f():\n    os._exit(0)\n", ["f()"])
    assert (crashed.ended, crashed.calls) == ("killed", ())
    monkeypatch.setattr("functions.sandbox_remote.STARTING_S", -0.9)
    hanging = await remote.sandbox.run("import time\n\ndef f():\n    time.sleep(600)\n", ["f()"])
    assert (hanging.ended, hanging.calls) == ("timeout", ())


async def test_a_report_that_is_too_long_is_cut(remote: Remote):
    flood = "import os\nfor d in range(3, 32):\n    try: os.write(d, b'x' * 10**6)\n    except OSError: pass\n"
    result = await remote.sandbox.run(flood, ["f()"])
    assert result.ended in {"flooded", "killed"}


async def test_without_a_sandbox_nothing_is_verified_and_it_is_said_so(remote: Remote):
    remote.sandboxes.refuses = True
    with pytest.raises(Unavailable, match="none could be started"):
        await remote.sandbox.run("def f(): pass", ["f()"])
