"""The part of RealtimeClient that carries what the user says and shows: live audio, and images.

Thread: `append_input_audio` any; see `RealtimeClient` for the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wavtools.pcm import as_int16

from ..protocol.outgoing import check_event
from ..protocol.reading import Wire
from .home_loop import any_thread
from .observable import ObservableClient

__all__ = ["InputClient"]


class InputClient(ObservableClient):
    """Live audio and images of the user."""

    def append_input_audio(self, pcm: Any) -> bool:
        """Stream microphone audio to the server.

        Never blocks, and costs the same however long the conversation is. Thread: any.

        Parameters
        ----------
        pcm : buffer of int16, shape (frames,), C-contiguous
            Mono at `input_sample_rate`; bytes count as little-endian int16. Copied.

        Returns
        -------
        bool
            False without a connection and for a call; the samples are then counted in
            ``stats.input_samples_dropped``.

        Raises
        ------
        TypeError
            other samples than int16
        ValueError
            an odd number of bytes, or more than one dimension
        """
        samples = as_int16(pcm, "audio")
        # The audio of a call has its own way to the server.
        if self._link.state not in ("connected", "reconnecting") or self.call_id is not None:
            self._outbox.reject_audio(samples)
            return False
        if len(samples):
            self._outbox.put_audio(np.array(samples))
        return True

    @any_thread
    def commit_input_audio(self) -> None:
        """Make an item of the audio sent so far, without requesting an answer."""
        self._need_connection()
        if self.call_id is not None:
            # What the call has heard is known to the server alone.
            self._session.send({"type": "input_audio_buffer.commit"})
        else:
            self._session.commit()

    @any_thread
    def clear_input_audio(self) -> None:
        """Tell the server to drop the audio that was not committed."""
        self._need_connection()
        self._session.send({"type": "input_audio_buffer.clear"})

    def send_image(self, image: Any, *, detail: str = "auto") -> str:
        """Show an image to the model: adds a user message, and requests no answer. Thread: any.

        Parameters
        ----------
        image : str, os.PathLike, bytes or array of uint8
            The path of a PNG or JPEG file, or its bytes, sent as they are; pixels from 0 to 255, shape (height, width)
            for grey or (height, width, channels) for grey with alpha (2), RGB (3) or RGBA (4), sent as PNG. Images of
            Pillow count as arrays.
        detail : "auto", "low" or "high"
            How closely the model looks; more detail costs more tokens.

        Returns
        -------
        str
            Id of the new item.

        Raises
        ------
        StateError
            not connected
        TypeError
            anything else, pixels that are not uint8
        ValueError
            another image format, an image that servers find too large (about 11 MB), another shape or detail
        OSError
            a file that cannot be read

        Examples
        --------
        >>> client.send_image("photo.jpg"); await client.ask("What is this?")      # doctest: +SKIP
        """
        from .images import image_part

        self._need_connection()
        # Reading and compressing stay in the caller's thread.
        part = image_part(image, detail)
        return self._create_message(part)

    @any_thread
    def _create_message(self, part: Wire) -> str:
        self._need_connection()
        item = {"type": "message", "role": "user", "content": [part]}
        return self._session.create_item(
            check_event({"type": "conversation.item.create", "item": item})["item"]
        )
