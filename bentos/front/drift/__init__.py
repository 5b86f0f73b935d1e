"""Counts what a model sees: the event loop gathers rows and scores, the reporter's thread puts them into bins.

=============  ==========================================================
``gathering``  what the event loop keeps of each request
``binning``    many rows at once into the counters of a `Layout`
``pushing``    counters by slice of time, and the batches made of them
=============  ==========================================================
"""
