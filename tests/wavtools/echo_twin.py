"""The native echo canceller once more, in NumPy and double precision: the oracle of its tests.

Thread: any; pure.
"""

from __future__ import annotations

import numpy as np


# More than 20 attributes: it has the state of the C struct under similar names.
class Twin:
    """Written from the description in echo.c, in the same order of steps."""

    def __init__(self, rate=24_000, tail=0.5):
        self.frame = rate // 100
        self.size = 1 << (2 * self.frame - 1).bit_length()
        self.bins = self.size // 2 + 1
        self.partitions = int(tail * rate / self.frame + 0.999)
        self.band = slice(int(200 * self.size / rate), int(min(6_000, 0.45 * rate) * self.size / rate))
        half = np.sin(np.pi / 2 * (np.arange(self.frame) + 0.5) / self.frame)
        self.window = np.concatenate([half, half[::-1]])
        shape = (self.partitions, self.bins)
        self.x, self.w = np.zeros(shape, complex), np.zeros(shape, complex)
        prior = 0.9 * (1 - 2 / (self.partitions + 2)) ** np.arange(self.partitions)
        self.covariance = np.repeat(prior[:, None], self.bins, 1)
        self.played, self.near_past, self.copy_past = (np.zeros(n * self.size) for n in (1, 3, 3))
        self.error_past, self.overlap = np.zeros(2 * self.frame), np.zeros(self.frame)
        self.noise = np.full(self.bins, 1e-6)
        self.silent = self.partitions + 1
        self.turn, self.drift, self.phases, self.weights = 0.0, 0.0, 0.0, 0.0
        self.constrained = self.suspicion = self.pause = self.age = 0
        self.heard, self.near_level, self.error_level = False, 0.0, 0.0
        zeros = [np.zeros(self.bins) for _ in range(8)]
        self.mean_error, self.mean_copy, self.cross, self.variance = zeros[:4]
        self.late, self.clean_power, self.background, self.slow = zeros[4:]
        self.least = np.full(self.bins, 1e9)
        self.random, self.slips = 0x9E3779B9, []

    def spectrum_of(self, frame):
        return np.fft.rfft(np.concatenate([np.zeros(self.size - self.frame), frame]))

    def windowed(self, past):
        return np.fft.rfft(past[-2 * self.frame :] * self.window, self.size)

    def estimate(self, near):
        copy = np.fft.irfft((self.w * self.x).sum(0), self.size)[-self.frame :]
        self.copy_past[-self.frame :] = copy
        return near - copy

    def compare(self):
        self.near_spectrum, copy = self.windowed(self.near_past), self.windowed(self.copy_past)
        self.copy_spectrum, self.copy_power = copy, np.abs(copy) ** 2

    def process(self, near, played):
        self.played = np.concatenate([self.played[self.frame :], played])
        self.near_past = np.concatenate([self.near_past[self.frame :], near])
        self.copy_past = np.concatenate([self.copy_past[self.frame :], np.zeros(self.frame)])
        self.x = np.roll(self.x, 1, 0)
        self.x[0] = np.fft.rfft(self.played)
        error = self.estimate(near)
        self.compare()
        error = self.guard(near, error)
        self.near_level += 0.1 * (np.sum(near**2) - self.near_level)
        self.error_level += 0.1 * (np.sum(error**2) - self.error_level)
        self.judge()
        self.adapt(error)
        return self.suppress(error)

    def judge(self):
        self.heard |= bool(self.error_level < 0.16 * self.near_level and self.near_level > 1e-6 * self.frame)
        plays = np.sum(self.played[-self.frame :] ** 2) > 2.5e-7 * self.frame
        self.silent = 0 if plays else self.silent + 1

    def adapt(self, error):
        share, power, spectrum = self.frame / self.size, np.abs(self.x) ** 2, self.spectrum_of(error)
        self.spread = (power * self.covariance).sum(0)
        self.noise += 0.2 * (np.abs(spectrum) ** 2 - self.noise) + 1e-12
        step = self.covariance / (self.spread + self.noise / share + 1e-9)
        old = np.abs(self.w) ** 2
        self.w = (self.w + step * np.conj(self.x) * spectrum) * np.exp(
            -2j * np.pi * np.arange(self.bins) / self.size * self.turn
        )
        keep = 0.999**2
        self.covariance = keep * (1 - 0.6 * share * step * power) * self.covariance + (1 - keep) * old
        self.follow_drift(spectrum)
        for _ in range(6):
            taps = np.fft.irfft(self.w[self.constrained], self.size)
            taps[self.frame :] = 0
            self.w[self.constrained] = np.fft.rfft(taps)
            self.constrained = (self.constrained + 1) % self.partitions

    def follow_drift(self, spectrum):
        copy = self.spectrum_of(self.copy_past[-self.frame :])[self.band]
        omega = 2 * np.pi * np.arange(self.bins)[self.band] / self.size
        weight = omega / (self.noise[self.band] + 1e-7)
        self.phases = 0.9 * self.phases - np.sum(weight * np.imag(spectrum[self.band] * np.conj(copy)))
        self.weights = 0.9 * self.weights + np.sum(weight * omega * np.abs(copy) ** 2)
        lag = np.clip(self.phases / (self.weights + 1), -0.5, 0.5)
        most = 0.0005 * self.frame
        self.drift = np.clip(self.drift + 0.001 * lag, -most, most)
        self.turn = self.drift + 0.1 * lag

    def guard(self, near, error):
        self.pause, self.suspicion = max(0, self.pause - 1), max(0, self.suspicion - 1)
        a, b = self.near_spectrum[self.band], self.copy_spectrum[self.band]
        together, product = np.sum((a * np.conj(b)).real), np.sum(np.abs(a) * np.abs(b))
        if not self.heard or np.sum(np.abs(b) ** 2) < 1e-2 or together > 0.8 * product:
            return error
        if np.mean(10 * np.log10((np.abs(a) ** 2 + 1e-6) / (np.abs(b) ** 2 + 1e-6))) >= 4:
            return error
        self.suspicion = 3
        if self.pause:
            return error
        jump = self.find_jump()
        if not jump:
            self.covariance += 0.05 * np.abs(self.w) ** 2
            return error
        taps = np.fft.irfft(self.w, self.size, axis=1)[:, : self.frame].ravel()
        moved = np.zeros_like(taps)
        moved[max(jump, 0) : len(taps) + min(jump, 0)] = taps[max(-jump, 0) : len(taps) - max(jump, 0)]
        self.w = np.fft.rfft(moved.reshape(self.partitions, self.frame), self.size, axis=1)
        self.covariance += 0.01 * np.abs(self.w) ** 2
        self.pause, self.phases, self.weights = 8, 0.0, 0.0
        self.slips.append(jump)
        error = self.estimate(near)
        self.compare()
        return error

    def find_jump(self):
        length, size = 2 * self.size, 4 * self.size
        cross = np.fft.rfft(self.near_past[-length:], size) * np.conj(
            np.fft.rfft(self.copy_past[-length:], size)
        )
        cross /= np.abs(cross) + 1e-6
        cross[: 4 * self.band.start] = 0
        cross[4 * self.band.stop :] = 0
        found = np.fft.irfft(cross, size)
        lags = np.arange(-self.size, self.size)
        jump = int(lags[np.argmax(found[lags])])
        span = self.frame + self.frame // 2
        end = 3 * self.size - max(-jump, 0)
        near, copy = self.near_past[end - span : end], self.copy_past[end - span - jump : end - jump]
        return jump if np.sum((near - copy) ** 2) < 0.35 * np.sum(near**2) else 0

    def average(self, x, reach):
        return np.convolve(x, np.ones(2 * reach + 1), "same") / (2 * reach + 1)

    def random_values(self):
        values = np.empty(2 * self.bins)
        for i in range(len(values)):
            self.random = (self.random * 1_664_525 + 1_013_904_223) % 2**32
            values[i] = (self.random >> 8) / 2**23 - 1
        return values[::2] + 1j * values[1::2]

    def suppress(self, error):
        self.error_past = np.concatenate([self.error_past[self.frame :], error])
        spectrum = self.windowed(self.error_past)
        power = np.abs(spectrum) ** 2
        self.mean_error += 0.05 * (power - self.mean_error)
        self.mean_copy += 0.05 * (self.copy_power - self.mean_copy)
        of_error, of_copy = power - self.mean_error, self.copy_power - self.mean_copy
        self.cross += 0.05 * (of_error * of_copy - self.cross)
        self.variance += 0.05 * (of_copy**2 - self.variance)
        leak = np.clip(self.average(self.cross / (self.variance + 1e-12), 4), 0, 1)
        self.late = np.maximum(0.6 * self.late, self.copy_power)
        residual = (4 if self.heard else 0) * leak * (self.late + self.average(self.late, 15))
        residual += 1.5 * self.frame / self.size * self.average(self.spread, 1)
        if self.suspicion:
            residual += 4 * self.average(self.copy_power, 2) + power
        hidden = 0.5 if self.heard or self.silent > self.partitions else 0.0
        seen = np.where(residual <= hidden * power, power, self.slow)
        self.slow += 0.1 * (seen - self.slow)
        self.least = np.minimum(self.least, self.slow)
        self.age += 1
        if self.age >= 50:
            rise = 2 * self.background
            self.background = np.where((rise < 1e-8) | (self.least < rise), self.least, rise)
            self.least, self.age = self.slow.copy(), 0
        residual += 1e-10
        ratio = 0.8 * self.clean_power / residual + 0.2 * np.maximum(power / residual - 1, 0)
        gain = np.maximum(ratio / (1 + ratio), 10 ** (-45 / 20))
        self.clean_power = gain**2 * power
        missing = np.maximum(self.background - self.clean_power, 0)
        spectrum = gain * spectrum + np.sqrt(1.5 * missing * (1 - gain**2)) * self.random_values()
        made = np.fft.irfft(spectrum, self.size)[: 2 * self.frame] * self.window
        clean, self.overlap = self.overlap + made[: self.frame], made[self.frame :]
        return clean
