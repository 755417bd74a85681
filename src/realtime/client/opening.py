"""Opens a session on the client's side: what the server speaks, and what it is told first.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..connection.frame_writer import FrameWriter
from ..protocol.dialect import merge_session
from ..protocol.endpoint import Endpoint
from ..protocol.localai import is_localai, localai_session
from ..protocol.profiles import PROFILES, profile_shown
from ..protocol.reading import Wire, dict_of
from .configuration import Configuration
from .settings import Settings

__all__ = ["choose_profile", "first_update"]


def choose_profile(created: Wire, endpoint: Endpoint | None, settings: Settings, writer: FrameWriter) -> None:
    """Set the profile and the kind of session that ``session.created`` opened.

    The application's ``dialect`` and the host go before what the server shows.
    """
    fixed = endpoint.profile if endpoint is not None else None
    profile = fixed or profile_shown(created) or PROFILES["ga"]
    if profile.commit_answers or is_localai(created):
        profile = localai_session(profile)
    settings.profile = writer.profile = profile
    settings.asked_model = endpoint.model if endpoint is not None else None
    settings.server_session = dict_of(profile.inbound(created)[0].get("session"))
    transcribes = settings.server_session.get("type") == "transcription"
    writer.session_kind = "transcription" if transcribes else "realtime"


def first_update(
    configuration: Configuration,
    settings: Settings,
    writer: FrameWriter,
    endpoint: Endpoint | None,
    *,
    resumed: bool,
) -> Wire:
    """The session object of the first ``session.update``; empty if there is nothing to tell.

    It states both audio formats, because some servers assume others than the client where none are stated. A call
    has its formats, and keeps what it was told before.
    """
    configured = configuration.everything()
    if endpoint is not None and endpoint.call_id is not None:
        return configured if configuration.untold or not resumed else {}
    if writer.profile.model_in_session and endpoint is not None and endpoint.model:
        configured = {"model": str(endpoint.model), **configured}
    if not configured and settings.server_states_formats(writer.session_kind):
        return {}
    return merge_session(settings.stated_formats(writer.session_kind), configured)
