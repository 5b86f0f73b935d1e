"""Drift: is what the model sees still what it learned from? From integer counters to a verdict that cries no wolf.

Counts over fixed edges add up, so that replicas, their order and their restarts cannot change a verdict. Pure, like the
rest of `marquee.evidence`.

=================  ==========================================================================
``counting``       counters of a feature and of a window; they add up
``distributions``  tail probabilities of chi-square and Student's t
``binning``        neighbouring bins of too few rows, merged
``wavering``       by how much alike windows differ, and the tail of chi-square where they do
``comparing``      a window against its baseline: chi-square, its p-value, the size of the effect
``shifting``       how far a feature's mean moved from what the windows before predict
``accumulating``   small shifts that add up over windows, with a bound on false alarms
``multiplicity``   many features, one rate of false discoveries
``performing``     how good a score is, before and after outcomes are known
``realising``      a window's outcomes against what its scores promised, in standard errors
``gaps``           such a gap that matters, stays, and is no noise of days
``quality``        a broken feed is no drift
``baselines``      which windows a window is compared with
``settings``       thresholds, with reasons
``verdict``        the verdict as data: first matching row wins
``replay_offline`` all of it once more, as a script that shares no line with the others
=================  ==========================================================================
"""
