"""What crosses a process boundary: artifact manifests, pod settings, header names, failure reasons.

Operator, predictors and trainers share these modules and nothing else, so that one of them can be replaced
without reading the others. Nothing here imports another part of Marquee.
"""
