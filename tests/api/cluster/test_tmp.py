import gc, asyncio
import pytest
from tests.api.cluster.test_informer import *
from tests.api.cluster import test_informer as t
for n in list(globals()):
    if n.startswith("test_"): del globals()[n]
@pytest.mark.parametrize("n", range(12))
async def test_x(n, client, connect_to, plane, deployment, namespace):
    await t.test_a_cut_wire_loses_nothing(client, connect_to, plane, deployment, namespace)
@pytest.fixture(autouse=True)
def collect():
    yield
    gc.collect()
