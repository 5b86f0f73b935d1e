"""Triton beside the front: its model's repository, its protocol, its metrics.

The way of a start is ``configuring`` -> ``repository`` -> ``control``; that of a prediction is ``tensors`` and the
shared channel of `bentos.front.runtimes.triton`; ``keeping`` brings the model back when the server had to start again.
"""
