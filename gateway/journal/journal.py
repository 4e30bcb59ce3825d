"""The journal as its users see it: one object, each method one transaction.

Its parts are apart because each is one idea; that a phase and its report are written
together or not at all is what :class:`~gateway.journal.book.Book` is for.
"""

from gateway.journal.attempts import Attempts
from gateway.journal.claims import Claims
from gateway.journal.deployments import DeploymentsBook
from gateway.journal.events import Events
from gateway.journal.heard import HeardBook
from gateway.journal.known_goods import KnownGoods
from gateway.journal.links import LinksBook
from gateway.journal.nodes import Nodes
from gateway.journal.origins import OriginsBook
from gateway.journal.radio import RadioBook
from gateway.journal.rescues import Rescues
from gateway.journal.rollout import RolloutBook
from gateway.journal.roster import RosterBook
from gateway.journal.standing import Standings
from gateway.journal.told import Told
from gateway.journal.words import WordsBook

__all__ = ["Journal", "Told"]


class Journal(
    OriginsBook,
    Attempts,
    DeploymentsBook,
    Nodes,
    RosterBook,
    KnownGoods,
    LinksBook,
    RadioBook,
    HeardBook,
    Rescues,
    Events,
    RolloutBook,
    Standings,
    Claims,
    WordsBook,
):
    """The gateway's memory.  Every method is one transaction."""
