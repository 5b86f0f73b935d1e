"""The input fields of lead scoring: the attributes of Caravan with the ranges that its data dictionary gives.

Attributes that start with M describe the customer's postcode area, those with P the yearly contribution to a kind
of policy, those with A the number of such policies.
"""

from __future__ import annotations

from typing import Final

from marquee.contract.manifest import CategoryField, InputField, NumberField

_SHARES: Final = {
    "MGODRK": "Roman catholic", "MGODPR": "Protestant", "MGODOV": "other religion", "MGODGE": "no religion",
    "MRELGE": "married", "MRELSA": "living together", "MRELOV": "other relation",
    "MFALLEEN": "singles", "MFGEKIND": "households without children", "MFWEKIND": "households with children",
    "MOPLHOOG": "high education", "MOPLMIDD": "medium education", "MOPLLAAG": "lower education",
    "MBERHOOG": "high status", "MBERZELF": "entrepreneurs", "MBERBOER": "farmers",
    "MBERMIDD": "middle management", "MBERARBG": "skilled labourers", "MBERARBO": "unskilled labourers",
    "MSKA": "social class A", "MSKB1": "social class B1", "MSKB2": "social class B2",
    "MSKC": "social class C", "MSKD": "social class D",
    "MHHUUR": "rented houses", "MHKOOP": "home owners",
    "MAUT1": "households with one car", "MAUT2": "households with two cars", "MAUT0": "households without a car",
    "MZFONDS": "national health service", "MZPART": "private health insurance",
    "MINKM30": "income below 30,000", "MINK3045": "income 30,000 to 45,000",
    "MINK4575": "income 45,000 to 75,000", "MINK7512": "income 75,000 to 122,000",
    "MINK123M": "income above 123,000", "MINKGEM": "average income",
}  # fmt: skip

_POLICIES: Final = {
    "WAPART": "private third party", "WABEDR": "third party (firms)", "WALAND": "third party (agriculture)",
    "PERSAUT": "car", "BESAUT": "delivery van", "MOTSCO": "motorcycle or scooter", "VRAAUT": "lorry",
    "AANHANG": "trailer", "TRACTOR": "tractor", "WERKT": "agricultural machine", "BROM": "moped",
    "LEVEN": "life", "PERSONG": "private accident", "GEZONG": "family accident", "WAOREG": "disability",
    "BRAND": "fire", "ZEILPL": "surfboard", "PLEZIER": "boat", "FIETS": "bicycle", "INBOED": "property",
    "BYSTAND": "social security",
}  # fmt: skip

_LARGEST_SHARE_CLASS: Final = 9
_LARGEST_CONTRIBUTION_CLASS: Final = 9
_MOST_POLICIES: Final = 12


def _integer(name: str, low: int, high: int, description: str) -> NumberField:
    return NumberField(name=name, kind="integer", minimum=low, maximum=high, description=description)


def _codes(name: str, largest: int, description: str) -> CategoryField:
    return CategoryField(
        name=name, categories=tuple(str(code) for code in range(1, largest + 1)), description=description
    )


def _fields() -> tuple[InputField, ...]:
    head: list[InputField] = [
        _codes("MOSTYPE", 41, "customer subtype, a code of list L0"),
        _integer("MAANTHUI", 1, 10, "number of houses"),
        _integer("MGEMOMV", 1, 6, "average size of household"),
        _integer("MGEMLEEF", 1, 6, "average age: 1 is 20 to 30 years, 6 is 70 to 80"),
        _codes("MOSHOOFD", 10, "customer main type, a code of list L2"),
    ]
    shares = [
        _integer(name, 0, _LARGEST_SHARE_CLASS, f"{what}: 0 is 0 %, 9 is 100 % of the postcode area")
        for name, what in _SHARES.items()
    ]
    contributions = [
        _integer(f"P{kind}", 0, _LARGEST_CONTRIBUTION_CLASS, f"{what} insurance: class of the contribution")
        for kind, what in _POLICIES.items()
    ]
    counts = [
        _integer(f"A{kind}", 0, _MOST_POLICIES, f"{what} insurance: number of policies")
        for kind, what in _POLICIES.items()
    ]
    return (*head, *shares, _integer("MKOOPKLA", 1, 8, "purchasing power class"), *contributions, *counts)


FIELDS: Final[tuple[InputField, ...]] = _fields()
"""In the order of the data file, which is the order of the model's columns."""

CATEGORY_COLUMNS: Final = tuple(column for column, field in enumerate(FIELDS) if isinstance(field, CategoryField))
