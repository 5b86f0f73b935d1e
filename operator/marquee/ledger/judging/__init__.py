"""Verdicts for those who move the traffic themselves (``docs/judge.md``). Pure: no database, no clock, no network.

=============  =====================================================================
``settling``   what a rollout is judged by, from its MarketingModel
``answering``  the verdict as JSON, from the plan and the integers
``deciding``   what a question changes: nothing, the step, or the end
=============  =====================================================================

With `marquee.ledger.http.judge` the only part of the ledger that knows the evidence and the spec.
"""
