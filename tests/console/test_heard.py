"""The word that is lit is the word that is played: through underruns, other devices, cuts and a real audio server."""

from __future__ import annotations

import json

import pytest

from console.heard import Heard
from console.session import SessionModel
from tests.console.fakes import cut
from tests.console.heard_rig import RATE, Answer, deltas, hundred_words, level_index
from wavtools import OfflineDevice, WavStreamPlayer

pytestmark = pytest.mark.audio

# A frame of the screen, and what a word may be off
FRAME = RATE // 20
ALLOWED = RATE // 10


class Rig:
    """A model, a player on an OfflineDevice, and the list of what was lit and played, in samples of the output."""

    def __init__(self) -> None:
        self.model = SessionModel()
        self.device = OfflineDevice(RATE)
        self.player = WavStreamPlayer(RATE, device=self.device)
        self.player.connect()
        self.model.on_played(None, 0.0)
        self.out = 0
        # Number of a word -> sample of the output
        self.lit: dict[int, int] = {}
        self.played: dict[int, int] = {}

    def queue(self, answer: Answer, delta) -> None:
        if isinstance(delta, str):
            answer.text(delta)
        else:
            answer.audio(delta)
            self.player.add_16bit_pcm(delta, answer.item.id)

    def frame(self, frames: int = FRAME) -> None:
        """Play for one frame of the screen, and look."""
        for at, level in enumerate(self.device.render(frames)):
            word = level_index(int(level))
            if word >= 0:
                self.played.setdefault(word, self.out + at)
        self.out += frames
        self.model.on_played(self.player.get_track_sample_offset(), self.out / RATE)
        row = self.model.transcript.last()
        assert row is not None
        end = len(row.text) if row.played else row.lit[1]
        for word in range(len(row.text[:end].split())):
            self.lit.setdefault(word, self.out)

    def assert_right(self, count: int) -> None:
        assert set(self.played) == set(self.lit) == set(range(count))
        off = {word: self.lit[word] - self.played[word] for word in self.lit}
        assert all(abs(samples) <= ALLOWED for samples in off.values()), off


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.player.disconnect()


def test_a_hundred_words_light_up_within_100_ms_of_their_first_played_sample(rig):
    words, answer = hundred_words(), Answer(rig.model)
    for delta in deltas(words):
        rig.queue(answer, delta)
    answer.end()
    while not rig.model.transcript.last().played:
        rig.frame()
    rig.assert_right(100)
    assert rig.model.heard.item_id is None and rig.model.transcript.last().lit is None


@pytest.mark.parametrize("lead", [0.0, 0.3, 2.0])
def test_they_are_right_while_the_answer_arrives_and_playback_runs_dry(rig, lead):
    words, answer = hundred_words(3), Answer(rig.model)
    queued = 0
    for number, delta in enumerate(deltas(words)):
        rig.queue(answer, delta)
        queued += 0 if isinstance(delta, str) else len(delta)
        while rig.player.get_track_sample_offset() and (
            queued - rig.player.get_track_sample_offset().offset > lead * RATE + FRAME
        ):
            rig.frame()
        if number % 90 == 89:
            # The server is silent for a while
            for _ in range(30):
                rig.frame()
    answer.end()
    while not rig.model.transcript.last().played:
        rig.frame()
    rig.assert_right(100)


def test_they_are_right_when_playback_moves_to_another_device(rig):
    words, answer = hundred_words(5), Answer(rig.model)
    for delta in deltas(words):
        rig.queue(answer, delta)
    answer.end()
    while not rig.model.transcript.last().played:
        rig.frame()
        if rig.out % (FRAME * 40) == 0:
            rig.device = OfflineDevice(RATE)
            rig.player.use_device(rig.device)
    rig.assert_right(100)


def test_a_cut_ends_the_light_and_marks_the_word_before(rig):
    words, answer = hundred_words(7), Answer(rig.model)
    for delta in deltas(words):
        rig.queue(answer, delta)
    row = rig.model.transcript.last()
    assert row.lit == (0, 0)
    for _ in range(100):
        rig.frame()
    heard = row.lit
    receipt = rig.player.interrupt()
    rig.model.on_cut(cut(answer.item, receipt.offset))
    assert (row.played, row.lit, rig.model.heard.item_id) == (True, None, None)
    # The last word was not heard to its end
    assert row.text[: row.heard_chars] == row.text[: heard[0]].rstrip()
    assert row.heard_samples == receipt.offset
    rig.model.on_played(rig.player.get_track_sample_offset(), 99.0)
    assert row.lit is None


def test_the_answer_behind_the_one_that_is_heard_waits_unlit(rig):
    first, second = Answer(rig.model, "a1"), Answer(rig.model, "a2")
    words = hundred_words(9, 10)
    for answer in (first, second):
        for delta in deltas(words):
            rig.queue(answer, delta)
        answer.end()
    rows = list(rig.model.transcript)
    length = sum(word.length for word in words)
    rig.frame(length // 2)
    assert rig.model.heard.item_id == "a1" and rows[1].lit == (0, 0)
    assert 0 < rig.model.heard.samples < rig.model.heard.total == length
    rig.frame(length)
    assert rig.model.heard.item_id == "a2" and rows[0].lit is None and rows[0].played
    rig.frame(length)
    assert rig.model.heard.item_id is None and rows[1].played


def test_an_answer_without_a_sound_is_not_left_dim(rig):
    answer = Answer(rig.model)
    answer.text("never spoken")
    row = rig.model.transcript.last()
    assert row.lit == (0, 0)
    answer.end("incomplete")
    rig.model.on_played(None, 1.0)
    assert row.lit is None


def test_what_is_not_heard_is_not_dim_when_the_session_ends_or_no_speaker_plays(rig):
    answer = Answer(rig.model)
    answer.text("one two")
    row = rig.model.transcript.last()
    rig.model.set_state("disconnected")
    assert row.lit is None and not rig.model.heard.following
    silent = SessionModel()
    Answer(silent).text("read only")
    assert silent.transcript.last().lit is None


def test_answers_that_wait_are_bounded():
    model = SessionModel()
    model.heard = heard = Heard()
    heard.following = True
    for number in range(200):
        Answer(model, f"a{number}").text("x")
    assert sum(row.lit is not None for row in model.transcript) == 64


PULSE = """
import json, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from console.session import SessionModel
from tests.console.heard_rig import RATE, Answer, deltas, hundred_words
from wavtools import WavRecorder, WavStreamPlayer

words = hundred_words(11, 100, 0.12, 0.3)
# When each word began to sound; (time, newest lit word) at each look
played, looks = {}, []

def hear(chunk):
    # The monitor of the sink: what comes out of the loudspeaker, with the time of its first sample
    found, first, count = np.unique(np.rint((chunk.mono - 1000) / 200), return_index=True, return_counts=True)
    for word, at, samples in zip(found, first, count):
        # Fewer samples are the flank between two levels
        if samples > 100:
            played.setdefault(int(word), chunk.time + at / RATE)

recorder = WavRecorder(RATE, device="speaker.monitor")
recorder.begin()
recorder.record(hear, chunk_size=480)
model = SessionModel()
player = WavStreamPlayer(RATE, device="speaker")
player.connect()
model.on_played(None, time.time())
answer = Answer(model)
for delta in deltas(words):
    if isinstance(delta, str):
        answer.text(delta)
    else:
        answer.audio(delta)
        player.add_16bit_pcm(delta, "a1")
answer.end()
row = model.transcript.last()
deadline = time.monotonic() + 60
while not row.played and time.monotonic() < deadline:
    time.sleep(0.05)
    before = time.monotonic()
    model.on_played(player.get_track_sample_offset(), time.time())
    if row.lit is not None and time.monotonic() - before < 0.005:
        # This thread was not kept from running meanwhile, so the position is that of this time
        looks.append((before, len(row.text[:row.lit[1]].split()) - 1))
time.sleep(0.3)
recorder.end()
player.disconnect()
# Seconds by which the lit word was early, and the next word late, at each look
early = [played[word] - at for at, word in looks if word >= 0]
late = [at - played[word + 1] for at, word in looks if word < 99]
print(json.dumps({"early": early, "late": late, "words": len(played), "lit": len({word for _, word in looks})}))
"""


def test_a_hundred_words_light_up_with_what_the_loudspeaker_of_an_audio_server_plays(audio_server, request):
    done = audio_server.python(PULSE, request.config.rootpath, timeout=100)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    worst = {name: max(found[name]) for name in ("early", "late")}
    print({name: f"{seconds * 1000:.0f} ms" for name, seconds in worst.items()}, len(found["late"]), "looks")
    assert found["words"] >= 100 and found["lit"] > 50
    # A look is seen for 50 ms: until then the next word may be as late as that, and no more than 100 ms in all
    assert worst["early"] < 0.1 and worst["late"] < 0.05, found
