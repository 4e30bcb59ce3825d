"""Why a node on the air is left alone: the gate ``not-owner``, with who has it."""

from flashers.api import Reason
from gateway.service.radio.ownership import Standing


def why_not_ours(node: str, me: str, now: Standing, *, alone: bool, online: bool) -> Reason:
    """The gate of a node that is not this gateway's."""
    over = f"`tender node claim {node} --take-over` here"
    if now.owner is not None:
        return Reason(
            "not-owner",
            f"{node} belongs to the gateway {now.owner}; here it is only seen.",
            f"`tender node handover {node} --to {me}` there; if {now.owner} is gone for good, {over}.",
        )
    if now.offered_to is not None and now.offered_to != me:
        return Reason(
            "not-owner",
            f"{node} was handed to the gateway {now.offered_to}, which has not taken it yet.",
            f"It does when it is connected and knows this node; if it never will, {over}.",
        )
    others = [name for name in now.wanting if name != me]
    if others:
        return Reason(
            "not-owner",
            f"{node} is nobody's yet, and {', '.join(others)} asked for it as well.",
            f"One of them has it in a moment; if {others[0]} is gone for good, {over}.",
        )
    if alone:
        return Reason(
            "not-owner",
            f"There is no upstream that could say whether another gateway has {node}.",
            f"`tender node claim {node}` if it is this gateway's.",
        )
    if not online:
        return Reason(
            "not-owner",
            f"{node} is not this gateway's yet, and upstream cannot be asked whose it is.",
            f"It is asked once it is connected; until then only your word counts: {over}.",
        )
    return Reason("not-owner", f"Upstream is being asked whose {node} is.", "It takes some seconds.")
