"""A weight as numbers of pods: what is asked, what comes nearest, and how people are told of the difference.

Stable keeps all its pods during a rollout, so that it can take everybody back at any moment; the canary gets some
beside them. A connection goes to any pod with the same chance, whichever arm it is of.
"""

from __future__ import annotations


def canary_pods(stable: int, weight: int) -> int:
    """Pods of a canary beside ``stable`` others that come nearest to ``weight`` percent of all, and at least one.

    A higher weight never gives fewer pods, and one of at most 50 never more than stable has.
    """
    others = 100 - weight
    return max(1, (2 * stable * weight + others) // (2 * others))


def in_words(canary: int, stable: int, weight: int) -> str:
    """Such as "20 % of connections, by 1 of 5 pods; 10 % are asked for"."""
    pods = canary + stable
    share = round(100 * canary / pods) if pods else 0
    told = f"{share} % of connections, by {canary} of {pods} pods"
    return told if 100 * canary == weight * pods else f"{told}; {weight} % are asked for"
