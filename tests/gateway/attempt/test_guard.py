"""What a verb's end is taken for, when it is not the verb's own."""

import asyncio

import pytest

from flashers.api.errors import PluginBug
from gateway.attempt.guard import Guard, Interrupted
from gateway.attempt.session import HostSession
from transports.links import LinkSpec
from transports.virtual.clock import run_virtual


async def _nobody(spec: LinkSpec) -> object:
    raise AssertionError("these verbs open no link")


def _guard() -> Guard:
    return Guard(HostSession("n1", LinkSpec.parse("uart:n1"), _nobody), "stk500")  # type: ignore[arg-type]


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_a_process_that_ends_is_no_bug_of_the_plugin_though_the_verb_is_cancelled_with_it() -> None:
    async def main() -> None:
        attempt = asyncio.create_task(_guard().do(_for_ever()))
        await asyncio.sleep(1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # as asyncio.run does at its end
        await asyncio.wait([attempt])
        assert attempt.cancelled()

    run_virtual(main())


def test_a_verb_that_cancels_itself_is_a_bug_of_the_plugin() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(PluginBug, match="cancelled itself"):
            await _guard().do(gives_up())

    run_virtual(main())


def test_a_verb_that_people_cancelled_can_tell_that_from_a_gateway_that_stops() -> None:
    async def main() -> None:
        for asked in (True, False):
            session = HostSession("n1", LinkSpec.parse("uart:n1"), _nobody)  # type: ignore[arg-type]
            guard, told = Guard(session, "zigbee_ota"), list[bool]()

            async def verb(session: HostSession = session, told: list[bool] = told) -> None:
                try:
                    await _for_ever()
                finally:
                    told.append(session.cancelled)

            attempt = asyncio.create_task(guard.do(verb()))
            await asyncio.sleep(1)
            if asked:
                guard.leave()
            else:
                attempt.cancel()
            await asyncio.wait([attempt])
            assert told == [asked]
            if asked:
                with pytest.raises(Interrupted):
                    attempt.result()
            assert await guard.do(_says(session)) is False, "the next verb is not being left"

    run_virtual(main())


async def _says(session: HostSession) -> bool:
    return session.cancelled
