"""Why a model said what it said: what each input has contributed to one row's output, computed beside predictions.

Two ways. *Shapley values* (`shapley`) ask the model for rows between the explained one and what is usual
(`background`), and so explain whatever runs: an ONNX graph, a Python class, Triton. *Integrated gradients*
(`gradients`) are for a Python class that offers its own.

``shap`` would bring numba and llvmlite, more than 100 MB, into every predictor, and asks for all rows at once.
The estimator itself is a page; the tests compare it with exact enumeration and with closed forms.
"""
