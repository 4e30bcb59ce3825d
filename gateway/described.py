"""What files that describe simulated nodes have in common, whatever medium the nodes are on."""

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from transports.ble.place import HciPlace
from transports.errors import TenderError

Place = Annotated[str, AfterValidator(lambda text: str(HciPlace.parse(text)))]
"""``unix:/path`` or ``tcp:HOST:PORT``."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]

M = TypeVar("M", bound=BaseModel)


class Table(BaseModel):
    """Base of the tables: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PowerCutTable(Table):
    """When a node loses its power by itself."""

    at: int = Field(ge=0)
    """The flash operation, counted from the node's beginning."""
    torn: bool = False
    """In the middle of it, instead of just before."""
    off_for: float | None = Field(default=1.0, gt=0)
    """Seconds; ``stays_off`` in its place leaves it off."""
    stays_off: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it is off; None for good."""
        return None if self.stays_off else self.off_for


def read_described(model: type[M], file: Path, bad: type[TenderError]) -> M:
    """Read a description.

    Raises:
        TenderError: of the kind ``bad``: it cannot be read, or says what makes no sense.
    """
    try:
        return model.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise bad(f"{file}: {error.strerror}", remedy="Name a file that can be read.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise bad(f"{file}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise bad(f"{file}: {place + ': ' if place else ''}{text}") from error
