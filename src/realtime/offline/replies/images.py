"""An image that the user showed: its size, its tokens, and a sentence that says what was received.

Thread: the event loop; pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...protocol.images import ImageInfo, from_data_url, image_info

# An image is counted by squares of so many pixels a side, up to a limit; the lowest detail has a fixed count.
PATCH = 32
MOST_TOKENS = 1536
LOW_TOKENS = 85


@dataclass(frozen=True)
class Image:
    """An image in a user's message.

    Attributes
    ----------
    url : str
        As the client sent it.
    detail : str
        "auto", "low" or "high".
    info : ImageInfo or None
        Its type and size; None if it is damaged or no PNG or JPEG.
    """

    url: str
    detail: str
    info: ImageInfo | None

    @classmethod
    def of(cls, part: dict[str, Any]) -> Image:
        """From a (checked) ``input_image`` part."""
        url = part["image_url"]
        try:
            info = image_info(from_data_url(url))
        except ValueError:
            info = None
        return cls(url, part.get("detail", "auto"), info)

    @property
    def tokens(self) -> int:
        """Tokens that a model reads of it."""
        if self.info is None:
            return 0
        patches = math.ceil(self.info.width / PATCH) * math.ceil(self.info.height / PATCH)
        return LOW_TOKENS if self.detail == "low" else min(patches, MOST_TOKENS)


def describe(images: Sequence[Image]) -> str:
    """A sentence that says what *images* are."""
    seen = [image.info for image in images if image.info is not None]
    sizes = [f"{info.width} by {info.height} pixels" for info in seen]
    sentences = []
    if len(sizes) == 1:
        sentences.append(f"I see an image of {sizes[0]}.")
    elif sizes:
        sentences.append(f"I see {len(sizes)} images: {', '.join(sizes[:-1])} and {sizes[-1]}.")
    if len(seen) < len(images):
        sentences.append("I got an image that I cannot read: send a PNG or a JPEG as base64.")
    return " ".join(sentences)
