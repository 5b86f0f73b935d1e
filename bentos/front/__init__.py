"""The front: one process that answers predictions itself and leaves everything else to a BentoML service.

`python -m bentos.front` is the command of the predictor container. The way of a request is
``app`` -> ``endpoints`` -> ``schema`` / ``tensors`` -> ``predictor`` -> ``runtimes``; the way of a start is
``__main__`` -> ``settings`` -> ``artifact`` / ``sources`` -> ``predictor`` -> ``server``.
"""
