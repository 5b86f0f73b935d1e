"""Compute verdicts on drift again, from integers alone: ``python3 replay_offline.py < evidence.json``.

For whoever does not want to trust Marquee: one file, the standard library, nothing of ours. It is written from
docs/drift.md and shares no line with what the operator runs. ``evidence.json`` is what ``kubectl marquee drift NAME -o
evidence`` prints. Exit code 1: a verdict does not follow.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from itertools import pairwise
from statistics import NormalDist, median
from typing import Any

Bins = list[int]
Wavering = tuple[float, float, float]

NORMAL = NormalDist()
THREE = [(-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6)]
HALF = [(3.750439717725742, 0.000548268855972218), (2.366759410734542, 0.0307571239675865)]
HALF += [(1.154405394739968, 0.240123178605013)]
SEVEN = [*HALF, (0.0, 16 / 35), *((-at, share) for at, share in HALF)]
"""Gauss-Hermite quadrature of a standard normal variable: points and weights."""


def total(rows: list[Bins]) -> Bins:
    """Sums by bin."""
    return [sum(column) for column in zip(*rows, strict=True)]


def merged(counts: Bins, smallest: int, rows: list[Bins]) -> list[Bins]:
    """Rows over neighbouring bins, until five of the smallest side are expected in each."""
    ends, gathered, needed = [0], 0, 5 * sum(counts) / max(smallest, 1)
    for place, count in enumerate(counts, 1):
        gathered += count
        if gathered >= needed:
            ends.append(place)
            gathered = 0
    if len(ends) > 1:
        ends[-1] = len(counts)
    return [[sum(row[start:end]) for start, end in pairwise(ends)] for row in rows]


def student_tail(statistic: float, degrees: float) -> float:
    """P(T >= statistic), not negative: with T = sqrt(degrees) tan(angle), by Simpson's rule over angles."""
    low, steps = math.atan2(statistic, math.sqrt(degrees)), 1000
    width = (math.pi / 2 - low) / steps
    weights = [1, *([4, 2] * (steps // 2))[:-1], 1]
    area = math.fsum(weight * math.cos(low + i * width) ** (degrees - 1) for i, weight in enumerate(weights))
    ratio = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    return area * width / 3 * ratio / math.sqrt(math.pi)


def chi_square(normal: float, degrees: int) -> float:
    """Chi-square's quantile where a standard normal variable has ``normal`` (Wilson and Hilferty)."""
    part = 2 / (9 * degrees) if degrees else 0.0
    return float(degrees * max(0.0, 1 - part + normal * math.sqrt(part)) ** 3)


def wavering(labels: list[list[Bins]]) -> Wavering:
    """By how much windows of one label differ beyond their rows: the amount, its error, its degrees of freedom."""
    sizes = [sum(bins) for found in labels for bins in found if sum(bins)]
    few = max(5.0, 0.1 * median(sizes or [math.inf]))
    kept = [telling for found in labels if len(telling := [bins for bins in found if sum(bins) >= few]) > 1]
    windows = [bins for found in kept for bins in found]
    free = excess = weight = squares = 0.0
    for found in kept:
        rows = merged(total(windows), min(map(sum, windows)), found)
        counts = [sum(row) for row in rows]
        n, two, three = (sum(count**power for count in counts) for power in (1, 2, 3))
        shares = [count / n for count in total(rows)]
        degrees = (sum(share > 0 for share in shares) - 1) * (len(rows) - 1)
        for row, count in zip(rows, counts, strict=True):
            excess += sum((o - count * p) ** 2 / (count * p) for o, p in zip(row, shares, strict=True) if p)
        free, excess = free + degrees, excess - degrees
        weight += (n**2 - two) / n
        squares += (two * n**2 - 2 * three * n + two**2) / n**2
    if not free:
        return 0.0, 0.0, 0.0
    others = max(0.0, free - len(windows) + len(kept))
    return excess / weight, math.sqrt(2 * others) / weight, weight**2 / squares


def tail(statistic: float, degrees: int, known: Wavering, scale: float) -> float:
    """Probability of so large a chi-square without drift, of windows that waver in one direction."""
    extra, error, freedom = known
    if not freedom:  # nothing is known of days: chi-square's own, by the same approximation
        part = 2 / (9 * degrees)
        return 1 - NORMAL.cdf(((statistic / degrees) ** (1 / 3) - 1 + part) / math.sqrt(part))
    found = 0.0
    for doubt, share in THREE:
        largest = 1 + max(0.0, (extra + doubt * error) * scale)
        for place, part in SEVEN:
            rest = (statistic - chi_square(place, degrees - 1)) / largest
            found += share * part * (2 * student_tail(math.sqrt(rest), freedom) if rest > 0 else 1.0)
    return min(1.0, found)


def compare(window: Bins, baseline: list[Bins], known: Wavering) -> tuple[float, float, float]:
    """p-value and stability index of a feature, and the index that chance alone stays below."""
    n, m = sum(window), sum(map(sum, baseline))
    seen, usual = merged(total([window, *baseline]), min(n, m), [window, total(baseline)]) if n and m else ([], [])
    degrees = len(seen) - 1
    if degrees < 1:
        return 1.0, 0.0, math.inf
    spread = 1 / n + 1 / m
    pairs = list(zip(seen, usual, strict=True))
    statistic = math.fsum((o / n - r / m) ** 2 * (n + m) / ((o + r) * spread) for o, r in pairs)
    scale = (1 + sum(sum(bins) ** 2 for bins in baseline) / m**2) / spread
    index = -degrees * spread
    for o, r in pairs:
        p, q = (o + 0.5) / (n + 0.5 * len(seen)), (r + 0.5) / (m + 0.5 * len(seen))
        index += (p - q) * math.log(p / q)
    noise = chi_square(2.3263478740408408, degrees) * spread * (1 + max(0.0, known[0]) * scale / degrees)
    return tail(statistic, degrees, known, scale), max(0.0, index), noise


def is_broken(window: Any, alike: list[Any], limits: Any) -> bool:
    """Whether rows, missing, refused, unknown or outlying values jumped."""
    usual = median(each["rows"] for each in alike)
    if not window["rows"]:
        return bool(usual)
    if not limits["volumeLow"] * usual <= window["rows"] <= limits["volumeHigh"] * usual:
        return True
    for name in {name for each in alike for name in each["features"]}:
        if name not in window["features"]:
            return True
        then = parts([each["features"][name] for each in alike if name in each["features"]])
        now = parts([window["features"][name]])
        rises = ("missingRise", "wrongShare", "unseenShare", "outsideRise")
        if now is None or any(a > b + limits[rise] for a, b, rise in zip(now, then or [0] * 4, rises, strict=True)):
            return True
    return False


def parts(found: list[Any]) -> list[float] | None:
    """Shares of missing, wrong, unseen and outlying values; None without any."""
    outer = sum(each["bins"][0] + each["bins"][-1] for each in found if each["ordered"] and len(each["bins"]) > 2)
    counts = [*(sum(each[kind] for each in found) for kind in ("missing", "wrong", "unseen")), outer]
    rows = sum(sum(each["bins"]) for each in found) + sum(counts[:3])
    return [count / rows for count in counts] if rows else None


class Mean:
    """Where a number's mean is usual to be, what it is predicted to be, and what has added up beyond."""

    def __init__(self, labels: dict[str, list[Bins]], shifts: list[float]) -> None:
        """From the baseline's windows."""
        windows = [bins for found in labels.values() for bins in found]
        self.scores = scores(total(windows))
        means = {label: [self.mean(bins) for bins in found] for label, found in labels.items()}
        self.level = {label: math.fsum(found) / len(found) for label, found in means.items()}
        self.windows = {label: float(len(found)) for label, found in means.items()}
        self.degrees = sum(len(found) - 1 for found in means.values())
        squares = ((mean - self.level[label]) ** 2 for label, found in means.items() for mean in found)
        self.variance = math.fsum(squares) / self.degrees
        self.rows = len(windows) / math.fsum(1 / sum(bins) for bins in windows)
        self.sums = {(shift, sign): -math.inf for shift in shifts for sign in (1, -1)}

    def mean(self, bins: Bins) -> float:
        """Of a window, in standard deviations."""
        return math.fsum(score * count for score, count in zip(self.scores, bins, strict=True)) / sum(bins)

    def see(self, bins: Bins, label: str) -> None:
        """One more window: first it is evidence, then it is usual."""
        if label not in self.level or not sum(bins):
            return
        size, before = self.mean(bins) - self.level[label], self.windows[label]
        own = self.variance + max(0.0, 1 / sum(bins) - 1 / self.rows)
        deviation, weight = math.sqrt(own + self.variance / before), self.variance / own if own else 0.0
        if not deviation:
            return
        normal = -NORMAL.inv_cdf(max(student_tail(abs(size / deviation), self.degrees), 1e-15))
        for (shift, sign), log_sum in self.sums.items():
            delta = min(shift / deviation, 6.0)
            grown = math.log1p(math.exp(log_sum)) if log_sum < 30 else log_sum
            self.sums[shift, sign] = grown + sign * delta * math.copysign(normal, size) - delta**2 / 2
        self.windows[label] = before + weight
        self.level[label] += size * weight / self.windows[label]
        added = size**2 * weight * before / self.windows[label]
        self.variance = (self.variance * self.degrees + added) / (self.degrees + 1)
        self.degrees += 1


def scores(counts: Bins) -> list[float]:
    """By bin, the mean of a standard normal variable between the bin's quantiles."""
    found, below, rows = [], 0, sum(counts)

    def density(share: float) -> float:
        return NORMAL.pdf(NORMAL.inv_cdf(share)) if 0 < share < 1 else 0.0

    for count in counts:
        between = (density(below / rows) - density((below + count) / rows)) * rows / count if count else None
        found.append(NORMAL.inv_cdf(below / rows) if between is None and 0 < below < rows else between)
        below += count
    known = [score for score in found if score is not None]
    first = next(place for place, score in enumerate(found) if score is not None)
    return [(known[0] if at < first else known[-1]) if score is None else score for at, score in enumerate(found)]


def verdicts(evidence: Any) -> list[str]:
    """The verdict on each window since the baseline, in their order."""
    limits, alike = evidence["thresholds"], defaultdict(list)
    for window in evidence["baseline"]:
        alike[window["label"]].append(window)
    usual = {
        label: [
            each
            for each in found
            if each["rows"] and not (len(found) > 1 and is_broken(each, [w for w in found if w is not each], limits))
        ]
        for label, found in alike.items()
    }
    counted: dict[str, dict[str, list[Bins]]] = defaultdict(dict)
    numbers = set()
    for label, found in sorted(usual.items()):
        for name in {name for each in found for name in each["features"]}:
            mine = [each["features"][name] for each in found if name in each["features"]]
            counted[name][label] = [each["bins"] for each in mine]
            numbers |= {name} if all(each["ordered"] for each in mine) else set()
    known = {name: wavering([*labels.values()]) for name, labels in counted.items()}
    means = {}
    for name in sorted(numbers):
        filled = {label: kept for label, found in counted[name].items() if (kept := [b for b in found if sum(b)])}
        if sum(len(found) - 1 for found in filled.values()) > 0:
            means[name] = Mean(filled, limits["shifts"])
    streaks: dict[str, int] = defaultdict(int)
    told = []
    for window in evidence["windows"]:
        found = usual.get(window["label"], [])
        if found and is_broken(window, found, limits):
            told.append("BrokenFeed")
        elif len(found) < limits["minimumBaseline"]:
            told.append("InsufficientData")
        else:
            told.append(judge(window, counted, known, means, streaks, limits))
    return told


def judge(
    window: Any,
    counted: dict[str, dict[str, list[Bins]]],
    known: dict[str, Wavering],
    means: dict[str, Mean],
    streaks: dict[str, int],
    limits: Any,
) -> str:
    """The verdict on a window of a whole feed."""
    label, floor = window["label"], limits["effectFloor"]
    compared = {
        name: compare(feature["bins"], counted[name].get(label, [[0] * len(feature["bins"])]), known[name])
        for name, feature in window["features"].items()
        if name in counted
    }
    for name, mean in means.items():
        if name in window["features"]:
            mean.see(window["features"][name]["bins"], label)
    severe = limits["retrainAlpha"] / max(len(compared), 1)
    for name in counted:
        holds = name in compared and compared[name][1] >= floor and compared[name][0] <= severe
        streaks[name] = streaks[name] + 1 if holds else 0
    sums = [log_sum for mean in means.values() for log_sum in mean.sums.values()]
    most = max(sums, default=-math.inf)
    average = most + math.log(sum(math.exp(each - most) for each in sums) / len(sums)) if most > -math.inf else most
    if max(streaks.values(), default=0) >= limits["confirmations"] or average >= math.log(
        limits["windowsToFalseAlarm"]
    ):
        return "Retrain"
    ordered = sorted((p, name) for name, (p, _, _) in compared.items())
    passing = [rank for rank, (p, _) in enumerate(ordered, 1) if p <= limits["discoveryRate"] * rank / len(ordered)]
    if any(compared[name][1] >= floor for _, name in ordered[: max(passing, default=0)]):
        return "Investigate"
    return "InsufficientData" if all(noise > floor for _, _, noise in compared.values()) else "Stable"


def main() -> int:
    """Print each window's verdict, as told and as it follows."""
    evidence = json.load(sys.stdin)
    wrong = 0
    for window, found in zip(evidence["windows"], verdicts(evidence), strict=True):
        agrees = window["verdict"] == found
        wrong += not agrees
        print(f"{window['started']}  {found}" + ("" if agrees else f", and was told as {window['verdict']}"))
    print("every verdict follows from the integers" if not wrong else f"{wrong} verdicts do not follow")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
