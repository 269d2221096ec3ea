"""What every block of the settings is made of, and how one that is wrong is said to be."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
WebAddress = Annotated[str, Field(pattern=r"^https?://")]


class SettingsError(Exception):
    """The settings cannot be used; the message names the JSON path or the variable, and what would be right."""


class Block(BaseModel):
    """Unknown keys and values of another type are refused: a setting that does nothing is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
