"""Ask a node who it is, before anything is done to it, each time that its link was opened.

Where the protocol tells, the flasher has said it; else the profile may name a command
that the application answers.  What the answer means is the host's to judge.
"""

import re
from typing import Protocol

from flashers.api import Flasher, FlashError, Identity, IdentityChanged, Role, Seen, Strength
from gateway.attempt.session import HostSession
from gateway.profiles.model import IdentityTable

_ASKS = 3
"""Times that an answer is asked for; two equal ones are believed where they are a surprise."""


class Keeper(Protocol):
    """Knows who is known to answer where."""

    def expects(self, node: str, found: Identity) -> bool:
        """Whether this is no surprise."""
        ...

    async def met(self, node: str, found: Identity | None, *, must: bool) -> None:
        """Who answered, None if it did not say; ``must`` if one that has said it before has to say it.

        Raises:
            IdentityChanged: it is another node, or may well be.
            IdentityUnread: it had to say it.
        """
        ...


async def identify(
    session: HostSession,
    flasher: Flasher,
    rule: IdentityTable | None,
    seen: Seen,
    keeper: Keeper,
    *,
    touched: bool = False,
) -> None:
    """Make sure that it is the node that is meant; once for each opening of its link.

    A node that we have touched ourselves may be unable to say who it is: it is believed
    to be the one of before, at the same place.

    Raises:
        IdentityChanged, IdentityUnread: nothing may be done to it now.
        LinkError: the link was lost.
    """
    if session.identified or seen.role not in (Role.APP, Role.LOADER):
        return
    can_say = rule is not None and seen.role is Role.APP
    found = session.identity or seen.identity
    if found is None and rule is not None and can_say:
        found = await _ask(session, flasher, rule, keeper)
    if found is None:
        found = session.by_address
    await keeper.met(session.node, found, must=can_say and not touched)
    session.identified = True


async def tell_stranger(session: HostSession, keeper: Keeper, error: IdentityChanged) -> None:
    """A flasher itself found that another node answers: let it be known, and say so with what is known.

    Raises:
        IdentityChanged: always.
    """
    if session.identity is not None:
        await keeper.met(session.node, session.identity, must=False)
    raise error


async def _ask(
    session: HostSession, flasher: Flasher, rule: IdentityTable, keeper: Keeper
) -> Identity | None:
    heard: set[Identity] = set()
    for _ in range(_ASKS):
        try:
            answer = await flasher.command(rule.request.encode(), reply_timeout=rule.within)
        except FlashError:
            continue
        match = re.search(rule.pattern, answer.decode(errors="replace"))
        value = match.group("id" if "id" in match.re.groupindex else 1) if match is not None else None
        if not value:
            continue
        found = Identity(value, Strength(rule.strength.value))
        # A bent byte on the line is nobody else.
        if keeper.expects(session.node, found) or found in heard:
            return found
        heard.add(found)
    return None
