"""The class that a predictor loads: numpy alone, the formulas behind named outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from marquee.contract.manifest import NumberField
from models.customer_value.formulas import PurchaseModel, SpendModel
from models.customer_value.schema import INPUTS, OUTPUTS
from models.customer_value.serving import PARAMETERS_FILE, CustomerValueModel, parameters_file
from models.features import matrix

PURCHASES = PurchaseModel(r=0.2425945, alpha=4.4136023, a=0.7929219, b=2.4259068)
SPEND = SpendModel(p=6.2496, q=3.7442, gamma=15.4435)


@pytest.fixture
def model(tmp_path: Path) -> CustomerValueModel:
    """A model of the sample's parameters."""
    (tmp_path / PARAMETERS_FILE).write_bytes(parameters_file(PURCHASES, SPEND))
    return CustomerValueModel(tmp_path)


def test_the_worked_example_of_the_literature(model: CustomerValueModel) -> None:
    """Customer 0001: two repeat purchases, the last in week 30.43 of 38.86, buys 1.226 times in 39 weeks."""
    record = {"frequency": 2, "recency": 30.43, "T": 38.86, "monetary_value": 22.35, "horizon_weeks": 39.0}
    outputs = model.predict(matrix(INPUTS, [record]))
    assert outputs.keys() == {field.name for field in OUTPUTS}
    assert outputs["expected_purchases"][0] == pytest.approx(1.226, abs=5e-4)
    assert outputs["customer_value"] == pytest.approx(
        outputs["expected_purchases"] * outputs["expected_value_per_purchase"]
    )


def test_rows_do_not_depend_on_each_other(model: CustomerValueModel) -> None:
    """A batch gives each row what it gets alone, in float64 of shape (rows,)."""
    rows = np.array([[0, 0, 30, 0, 39], [170, 70, 71, 40, 1], [3, 10, 20, 5, 104]], dtype=float)
    batch = model.predict(rows)
    for index in range(3):
        for name, column in model.predict(rows[[index]]).items():
            assert batch[name].shape == (3,)
            assert batch[name].dtype == np.float64
            assert column[0] == pytest.approx(batch[name][index], rel=1e-12)


def test_a_recency_beyond_t_counts_as_t(model: CustomerValueModel) -> None:
    """Rounded weeks do not raise the probability to be alive above that of a purchase today."""
    beyond, today = (model.predict(np.array([[2, recency, 30.0, 20, 39]])) for recency in (30.4, 30.0))
    assert beyond["probability_alive"] == today["probability_alive"]


def test_the_corners_of_the_schema_have_finite_answers(model: CustomerValueModel) -> None:
    """Every combination of smallest and largest values, all at once."""
    fields = [field for field in INPUTS if isinstance(field, NumberField)]
    corners = np.array(np.meshgrid(*[(field.minimum, field.maximum) for field in fields]), dtype=float)
    outputs = model.predict(corners.reshape(len(fields), -1).T)
    for column in outputs.values():
        assert len(column) == 2 ** len(fields)
        assert np.isfinite(column).all()


def test_a_predictor_needs_numpy_and_nothing_else(tmp_path: Path) -> None:
    """The class loads and predicts where torch, scipy, scikit-learn and pandas cannot be imported."""
    (tmp_path / PARAMETERS_FILE).write_bytes(parameters_file(PURCHASES, SPEND))
    program = f"""
import importlib.abc, pathlib, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'scipy', 'sklearn', 'pandas', 'onnx', 'threadpoolctl'):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy
from models.customer_value.serving import CustomerValueModel
rows = numpy.array([[2, 30.43, 38.86, 22.35, 39.0]])
print(CustomerValueModel(pathlib.Path({str(tmp_path)!r})).predict(rows)['expected_purchases'][0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1.226, abs=5e-4)
