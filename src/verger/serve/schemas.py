"""What the API answers with: these classes are also its OpenAPI schemas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Answer):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:verger:problem: and a word for programs to tell them apart.")
    title: str = Field(description="The same for every problem of this type.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What was wrong this time, for who writes the program.")
    message: str = Field(
        description="The same for who took the photo, in English or French, by Accept-Language."
    )
    photo: int | None = Field(None, ge=1, description="Which of the uploaded photos, from 1.")
    reason: str | None = Field(None, description="Why that photo is refused: a closed set.")


class Words(_Answer):
    """The same thing in both languages."""

    en: str
    fr: str


class Source(_Answer):
    """Where facts were looked up."""

    title: str
    url: str
    facts: list[str] = Field(description="Which fields of the species it was read for.")


class Name(_Answer):
    """A species' common name in one language."""

    name: str
    plural: str
    with_article: str


class Names(_Answer):
    """A species' common names."""

    en: Name
    fr: Name


class Season(_Answer):
    """When a species is in season in France."""

    months: list[Annotated[int, Field(ge=1, le=12)]] = Field(
        description="In their order, which may go over the new year; none where it is imported."
    )
    words: Words


class Species(_Answer):
    """What is known of a species; null where nothing with a source is."""

    key: str
    scientific_name: str
    family: str
    names: Names
    origin: Words | None
    season: Season | None
    keeping: Words | None
    diversity: Words | None = Field(description="On its diversity, or why it is threatened.")
    sources: list[Source]


class LabelGuess(_Answer):
    """A label, and the probability that it is right."""

    label: str
    confidence: Share
    species: str | None = Field(description="Key of its species in `species`, where known.")
    photo: int | None = Field(description="A photo of it, to show.")


class GroupGuess(_Answer):
    """A species, or a label without one, and the probability that it is right."""

    group: str
    confidence: Share
    species: str | None = Field(description="Key of its species in `species`, where known.")
    photo: int | None = Field(description="A photo of it, to show.")


class Neighbour(_Answer):
    """A photo of the gallery that looks like the one sent."""

    photo: int = Field(ge=0)
    path: str = Field(description="Relative to the folder of photos that the STORE was made from.")
    label: str | None
    similarity: float = Field(ge=-1.001, le=1.001, description="Cosine.")


class Identification(_Answer):
    """What one fruit is."""

    gallery: str = Field(description="Whose photos are meant; changes when the gallery does.")
    verdict: Literal["variety", "group", "ambiguous", "unfamiliar", "unknown"] = Field(
        description="What is claimed: the first of `labels`; only the first of `groups`. Or which "
        "doubt there is: between the first two of `groups`; most like the first of `groups`, but "
        "unlike the photos that there are; unlike any produce."
    )
    close: bool = Field(
        description="Whether it was close: a shade of difference in the photo might turn it."
    )
    confidence: Share = Field(
        description="The probability that what the verdict says is right: that label, that "
        "species, one of the two; 0 where nothing is said."
    )
    known: Share = Field(
        description="How usual this is for the gallery: the share of held-out photos named right "
        "that were less like it."
    )
    labels: list[LabelGuess] = Field(description="The likeliest, most likely first.")
    groups: list[GroupGuess] = Field(description="The likeliest, most likely first.")
    neighbours: list[Neighbour] = Field(description="The nearest photos, nearest first.")
    photos: int = Field(ge=1, description="Photos of the fruit that were looked at.")
    species: dict[str, Species] = Field(description="The species named above, by key.")


class LabelSummary(_Answer):
    """A label of the gallery."""

    label: str
    photos: int = Field(ge=1)
    photo: int = Field(ge=0, description="A photo of it, to show.")
    species: str | None = Field(description="Key of its species, where known.")
    scientific_name: str | None
    names: Names | None = Field(description="Its species' names.")
    called: Words | None = Field(
        description="What people call it; null where it names no species that is known."
    )


class Labels(_Answer):
    """The labels of the gallery."""

    gallery: str = Field(description="Changes when the gallery does.")
    photos: int = Field(ge=0, description="Photos in the gallery.")
    shorter_side: int = Field(
        ge=1,
        description="Pixels of a photo's shorter side that can be made use of. To send less, have "
        "the JPEG decoder decode it by 2, 4 or 8 smaller, to no less than that; and send it as "
        "PNG, with its EXIF orientation and colour profile.",
    )
    labels: list[LabelSummary]


class ExamplePhoto(_Answer):
    """A photo of the gallery."""

    photo: int = Field(ge=0)
    path: str = Field(description="Relative to the folder of photos that the STORE was made from.")


class Label(_Answer):
    """A label of the gallery, with some of its photos and its species."""

    gallery: str = Field(description="Whose photos are meant; changes when the gallery does.")
    label: str
    photos: int = Field(ge=1)
    examples: list[ExamplePhoto]
    species: Species | None


class Health(_Answer):
    """That the server is up, and what it serves."""

    status: Literal["ok"]
    version: str
    photos: int = Field(ge=0)
    labels: int = Field(ge=0)
