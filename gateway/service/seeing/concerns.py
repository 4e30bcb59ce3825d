"""Everything that somebody should know about this gateway, each with the command that comes next.

Made from what is known already: nothing is asked of a node for it.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence

from flashers.api import RollbackKind
from gateway.model.links import Culprit, LinkView
from gateway.model.outcomes import Outcome
from gateway.model.records import Record
from gateway.model.rollout import Pause
from gateway.model.views import NodeView, Status
from gateway.service.seeing import causes
from gateway.service.site import Site
from gateway.verbs.seeing import Cause, Concern, Disk, Level, UpstreamTrouble
from transports.errors import TenderError

LITTLE_ROOM = 64 << 20
"""Free bytes of the state folder below which somebody should look: a few releases no longer fit."""
_NAMED = 6
"""Nodes that are named in one sentence."""
_ASK_OWNER = (Outcome.ROLLED_BACK, Outcome.FAILED, Outcome.REFUSED)

NEEDS_A_PERSON = frozenset(
    {"exhausted", "identity-changed", "node-not-configured", "release-held", "release-recalled"}
)
"""Gates that do not open by themselves."""
_AT_REST = ("ok", "unknown")
"""States in which a node that was asked, and did not answer, is news."""
_OF_THE_LINK = (Culprit.ADAPTER, Culprit.CABLE, Culprit.GATEWAY)
_OWN_BUG = "a bug of Tender or of a plugin keeps its attempt from being judged"


class Concerns:
    """What there is to say now."""

    def __init__(
        self,
        site: Site,
        status: Status,
        disk: Disk,
        trouble: UpstreamTrouble | None,
        links: Sequence[LinkView] = (),
    ) -> None:
        self._site = site
        self._status = status
        self._disk = disk
        self._trouble = trouble
        self._links = links
        self._views = site.inventory.views()

    async def all(self) -> tuple[Concern, ...]:
        """The worst first."""
        found = [concern async for concern in self._of_nodes()]
        found += [
            *self._of_gateway(),
            *self._of_links(),
            *self._of_rollouts(),
            *self._of_trust(),
            *self._of_way_back(),
        ]
        order = [Level.BROKEN, Level.WAITS, Level.FINE]
        return tuple(sorted(found, key=lambda concern: order.index(concern.level)))

    # The nodes

    async def _of_nodes(self) -> AsyncIterator[Concern]:
        behind = {name for link in self._faulty() for name in _concerned(link)}
        mute = {
            name for link in self._links if link.finding.culprit is Culprit.NODE for name in _concerned(link)
        }
        ended: dict[tuple[Outcome, str, str | None], list[Record]] = defaultdict(list)
        for view in self._views:
            wound = self._site.inventory.wound(view.name)
            last = self._site.inventory.last(view.name)
            if wound is not None:
                yield await self._wounded(view, wound)
            elif view.state == "quarantined":
                yield self._quarantined(view, last)
            elif view.state == "identity-changed":
                yield _another(view)
            elif view.state == "changed-by-others":
                yield self._changed(view, last)
            elif view.state == "silent" or (view.state in _AT_REST and view.name in mute):
                if view.name not in behind:  # the link's own line names it
                    yield _silent(view, last)
            elif last is not None and last.result is not None and last.result.outcome in _ASK_OWNER:
                ended[last.result.outcome, last.result.code, last.deployment].append(last)
        for records in ended.values():
            yield _not_updated(records)

    async def _wounded(self, view: NodeView, wound: Record) -> Concern:
        first = await causes.first_of(wound, self._site.journal)
        cause, because = causes.of_wound(first)
        result = wound.result
        why = f": {result.message.rstrip('.')}" if result is not None and result.message else ""
        command = f"tender explain {view.name}"
        return Concern(
            Level.BROKEN,
            "wounded",
            f"{view.name} is wounded{why}.",
            command,
            cause,
            because,
            view.name,
            first.id,
        )

    def _quarantined(self, view: NodeView, last: Record | None) -> Concern:
        number = last.id if last is not None else None
        return Concern(
            Level.BROKEN,
            "quarantined",
            f"{view.name} is left alone: {_OWN_BUG}.",
            "tender support-bundle",
            Cause.OURS,
            _OWN_BUG,
            view.name,
            number,
        )

    def _changed(self, view: NodeView, last: Record | None) -> Concern:
        cause, because = causes.of_changed(last)
        text = f"{view.name} runs something that did not come from here."
        accept = f"tender explain {view.name}; tender node accept {view.name}"
        return Concern(Level.WAITS, "changed-by-others", text, accept, cause, because, view.name)

    # The gateway

    def _of_gateway(self) -> Iterator[Concern]:
        for reason in self._status.degraded:
            text = f"{reason.message.rstrip('.')}.  {reason.remedy}".strip()
            yield Concern(Level.BROKEN, reason.code, text, "tender doctor", Cause.UNKNOWN, "", None)
        if self._trouble is not None:
            message = f"Upstream is not reached: {self._trouble.message.rstrip('.')}.  {self._trouble.remedy}"
            yield Concern(
                Level.BROKEN,
                self._trouble.code,
                message,
                "tender doctor",
                Cause.NOT_OURS,
                "no attempt has to do with upstream",
                subject="upstream",
            )
        free = self._disk.free
        if free is not None and free < LITTLE_ROOM:
            text = f"{free >> 20} MiB are free for {self._disk.folder}."
            yield Concern(Level.WAITS, "disk-little", text, f"df -h {self._disk.folder}")
        draining = self._status.draining
        if draining is not None:
            text = f"Nothing new is begun: {draining.by} asked for it."
            yield Concern(Level.WAITS, "draining", text, "tender undrain")
        started = self._status.started
        if started is not None and not self._site.clock().synchronised:
            text = "The clock is not synchronised; times are shown with ~, and nothing is decided by them."
            yield Concern(Level.FINE, "clock-not-synchronised", text, "timedatectl")

    def _of_rollouts(self) -> Iterator[Concern]:
        if self._status.paused is not None:
            yield Concern(
                Level.WAITS, "paused", _paused("Everything", self._status.paused), "tender resume --all"
            )
        for view in self._status.deployments:
            rollout, show = view.rollout, f"tender deployment show {view.id}"
            if rollout.stopped is not None:
                text = f"Deployment {view.id} stopped by itself: {rollout.stopped.message}"
                yield Concern(Level.WAITS, "rollout-stopped", text, show)
            elif rollout.paused is not None and rollout.paused.deployment is not None:
                text = _paused(f"Deployment {view.id}", rollout.paused)
                yield Concern(Level.WAITS, "rollout-paused", text, f"tender resume {view.id}")
            for code, count in sorted(rollout.gates.items()):
                if code in NEEDS_A_PERSON:
                    text = f"{count} node{'s' if count > 1 else ''} of deployment {view.id} wait: {code}."
                    yield Concern(Level.WAITS, code, text, show)

    # What would keep the next update from going well

    def _of_trust(self) -> Iterator[Concern]:
        """Everything that the status warns of."""
        notice = self._site.trust.notice
        if notice is not None:
            code = "unsigned-allowed" if self._status.unsigned_allowed else "no-keys"
            yield Concern(Level.WAITS, code, f"{notice}.", "tender config")
        refused = {item.error.code for item in self._site.shelf.refused}
        for reason in self._status.warnings:
            if reason.code != "trust":
                text = f"{reason.message.rstrip('.')}.  {reason.remedy}".strip()
                show = "tender release list" if reason.code in refused else "tender nodes"
                yield Concern(Level.WAITS, reason.code, text, show)

    def _of_links(self) -> Iterator[Concern]:
        for link in self._faulty():
            finding = link.finding
            if link.network is not None and finding.culprit is Culprit.ADAPTER:
                continue  # the gateway does without its coordinator, which is said already
            text = f"{finding.message.rstrip('.')} ({listed(list(_concerned(link)))}).  {finding.remedy}"
            code = "link-cable" if finding.culprit is Culprit.CABLE else "link-gateway"
            if finding.culprit is Culprit.ADAPTER:
                code = "link-adapter"
            show = f"tender links {finding.link}"
            yield Concern(Level.BROKEN, code, text.strip(), show, subject=f"the link {finding.link}")

    def _faulty(self) -> list[LinkView]:
        return [link for link in self._links if link.finding.culprit in _OF_THE_LINK]

    def _of_way_back(self) -> Iterator[Concern]:
        lacking: dict[str, list[str]] = defaultdict(list)
        for view in self._views:
            try:
                node_type = self._site.node_types.get(view.profile)
            except TenderError as error:
                text = f"{view.name} cannot be updated: {error.message.splitlines()[0]}"
                yield Concern(Level.WAITS, error.code, text, "tender profiles list", node=view.name)
                continue
            kinds = node_type.declaration.rollback
            if node_type.profile.rollback is not None:
                kinds &= set(node_type.profile.rollback)
            if kinds == {RollbackKind.REFLASH} and not view.known_good:
                lacking[view.profile].append(view.name)
        for profile, names in lacking.items():
            text = f"{listed(names)} could not go back: no known-good, and no other way."
            yield Concern(Level.WAITS, "no-known-good", text, f"tender baseline add FILE --profile {profile}")


def _concerned(link: LinkView) -> tuple[str, ...]:
    return link.finding.nodes


def _another(view: NodeView) -> Concern:
    text = f"Another node answers where {view.name} is known; nothing is flashed there."
    because = "Tender puts no node in another's place"
    code = "identity-changed"
    return Concern(Level.WAITS, code, text, f"tender explain {view.name}", Cause.NOT_OURS, because, view.name)


def _silent(view: NodeView, last: Record | None) -> Concern:
    cause, because = causes.of_silence(last)
    text = f"{view.name} does not answer."
    if view.recoverable:
        text += f"  Recoverable: {view.recoverable}."
    command = f"tender recover {view.name}"
    return Concern(Level.BROKEN, "silent", text, command, cause, because, view.name)


def _paused(what: str, pause: Pause) -> str:
    return f"{what} is paused by {pause.by or 'somebody'}" + (f": {pause.why}" if pause.why else "") + "."


def _needs_visit(view: NodeView) -> Concern:
    """A node that was not wounded, does not answer, and cannot be had back from here."""
    reason = view.recoverable_why
    return Concern(
        Level.WAITS,
        "site-visit",
        f"{view.name}: {reason}",
        f"tender recover {view.name}",
        Cause.NOT_OURS,
        "it fell silent while no attempt had written it",
        view.name,
    )


def _not_updated(records: list[Record]) -> Concern:
    """Nodes on which one deployment came to the same end: they run what they ran before."""
    first = records[0]
    result = first.result
    outcome = result.outcome if result is not None else Outcome.FAILED
    names = listed(sorted(record.node for record in records))
    why = f"{result.code}: {result.message}" if result is not None and result.code else ""
    if not why and result is not None and result.reasons:
        why = f"{result.reasons[0].code}: {result.reasons[0].message}"
    text = f"{names}: {outcome}" + (f", {why.rstrip('.')}" if why else "") + "."
    ours = Cause.OURS if outcome is Outcome.ROLLED_BACK else Cause.NOT_OURS
    said = {
        Outcome.ROLLED_BACK: f"{causes.name_of(first)} tried the target and took it back",
        Outcome.FAILED: "what ran before still runs, proved",
        Outcome.REFUSED: "nothing was changed",
    }
    return Concern(
        Level.WAITS,
        outcome.value,
        text,
        f"tender attempt show {first.id}",
        ours,
        said.get(outcome, ""),
        first.node if len(records) == 1 else None,
        first.id,
    )


def listed(names: list[str]) -> str:
    """Names in a sentence: a few, and how many more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
