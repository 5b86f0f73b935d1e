"""What should happen: pure functions from a `Snapshot` to a `Plan`; no I/O, no clock, no randomness.

=============  =====================================================================
``resolving``  which revision should run
``diagnosing`` why an arm's pods do not serve
``facts``      the few truths that the state table asks for
``table``      the state machine as data: first matching row wins
``planning``   the writes that a row asks for
``describing`` the status that people read
``syncing``    whether a stored object already says what a manifest wants
=============  =====================================================================
"""

from marquee.control.decide.planning import decide

__all__ = ["decide"]
