"""One vocabulary of units: what OME, HyperSpy, pint and EMD write, and what people do."""

import itertools

import pytest

from n2v_stem_keras.io.units import LENGTH, PREFIXES, TIME, VOLTAGE, is_calibrated, is_reciprocal

OME_ZARR = {
    "angstrom": 0.1, "attometer": 1e-9, "centimeter": 1e7, "decimeter": 1e8, "femtometer": 1e-6,
    "hectometer": 1e11, "kilometer": 1e12, "megameter": 1e15, "meter": 1e9, "micrometer": 1e3,
    "millimeter": 1e6, "nanometer": 1.0, "picometer": 1e-3,
}  # fmt: skip


@pytest.mark.parametrize(("unit", "nm"), OME_ZARR.items())
def test_lengths_of_ome_zarr(unit, nm):
    assert LENGTH.scale(unit) == nm


@pytest.mark.parametrize(
    ("units", "unit", "value"),
    [
        (LENGTH, "[n_m]", 1.0), (LENGTH, "[u_m]", 1e3), (LENGTH, "µm", 1e3), (LENGTH, "μm", 1e3),
        (LENGTH, r"\u00B5m", 1e3), (LENGTH, r"$\mu$m", 1e3), (LENGTH, "Å", 0.1),
        (LENGTH, "\u212b", 0.1), (LENGTH, "A", 0.1), (LENGTH, "Picometers", 1e-3),
        (LENGTH, "NANOMETRE", 1.0), (LENGTH, " nm ", 1.0), (TIME, "millisecond", 1e-3),
        (TIME, "milliseconds", 1e-3), (TIME, "microsecond", 1e-6), (TIME, "nanosecond", 1e-9),
        (TIME, "minute", 60), (TIME, "minutes", 60), (TIME, "hour", 3600), (TIME, "[m_s]", 1e-3),
        (TIME, "msec", 1e-3), (TIME, "usec", 1e-6), (TIME, "Min", 60), (VOLTAGE, "keV", 1),
        (VOLTAGE, "kilovolt", 1), (VOLTAGE, "kiloelectron_volt", 1), (VOLTAGE, "V", 1e-3),
    ],
)  # fmt: skip
def test_spellings(units, unit, value):
    assert units.scale(unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("units", "unit"),
    [(LENGTH, "NM"), (LENGTH, "M"), (LENGTH, "s"), (LENGTH, "1/nm"), (LENGTH, ""), (LENGTH, None),
     (LENGTH, 5), (LENGTH, "nm/px"), (TIME, "m"), (TIME, "S"), (TIME, "moon"), (VOLTAGE, "kv")],
)  # fmt: skip
def test_what_is_no_such_unit(units, unit):
    assert units.scale(unit) is None


def test_pint_agrees():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    pairs = itertools.product(
        PREFIXES,
        ((LENGTH, "m", "meter", "nm"), (TIME, "s", "second", "s"), (VOLTAGE, "V", "volt", "kV")),
    )
    for (symbol, prefix, _), (units, short, name, ours) in pairs:
        for unit in (symbol + short, prefix + name, f"{prefix}{name}s"):
            expected = registry.Quantity(1.0, unit).to(ours).magnitude
            assert units.scale(unit) == pytest.approx(expected, rel=1e-9), unit
            # as HyperSpy and RosettaSciIO write it
            assert units.scale(f"{registry.Unit(unit):~}") == pytest.approx(expected, rel=1e-9)


def test_no_unit_and_units_of_diffraction_patterns():
    assert not any(map(is_calibrated, ("", None, "px", "Pixels", "<undefined>", "inch")))
    assert all(map(is_calibrated, ("nm", "parsec", "1/nm")))
    said = ("1/nm", "1 / nm", "nm^-1", "nm⁻¹", "[n_m^-1]", "A^-1", "mrad", "rad", "milliradian",
            "deg", "degrees", "nm-1", "/nm", "µrad")  # fmt: skip
    assert all(map(is_reciprocal, said))
    assert not any(map(is_reciprocal, ("nm", "", "px", "Å", "s", "meter", None)))
