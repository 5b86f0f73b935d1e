"""What should happen: pure functions from a `Snapshot` to a `Plan`; no I/O, no clock, no randomness.

=============  =====================================================================
``resolving``  which revision should run
``diagnosing`` why an arm's pods do not serve
``rollouts``   what is true of the newest rollout
``judging``    its evidence, from the ledger's integers
``ratio``      a weight as numbers of pods
``foreseeing`` whether a plan can conclude in its time
``facts``      the few truths that the state table asks for
``table``      the state machine as data: first matching row wins
``traffic``    who answers whom after a row's moves
``planning``   the writes that a row asks for
``wording``    a row in words
``describing`` the status that people read
``drifting``   whether the model still sees what it learned from
``triggering`` what asks for a training, and what the run is told
``ended``      how a run has ended
``runs``       the runs of a model, and what comes of one
``retraining`` the closed loop
``syncing``    whether a stored object already says what a manifest wants
=============  =====================================================================
"""

from marquee.control.decide.planning import decide

__all__ = ["decide"]
