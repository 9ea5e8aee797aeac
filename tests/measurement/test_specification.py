"""What a CXI or NXcxi_ptycho file states, and what its specification states for it, is what is read; contradictions are refused."""

import re

import cdtools
import h5py
import numpy as np
import pytest
from scipy import constants

from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.options import Geometry, Patterns, Reading
from ptychoformer.measurement.particles import MASSES, energy_of, wavelength_of
from ptychoformer.measurement.preparation import prepare
from ptychoformer.measurement.readers import open_scan
from ptychoformer.measurement.readers.detector import geometry
from ptychoformer.measurement.readers.hdf5 import open_source
from ptychoformer.measurement.summary import as_mapping, summarise
from ptychoformer.publication.scan.description import described

INSTRUMENT = "entry_1/instrument_1"
DETECTOR = f"{INSTRUMENT}/detector_1"
SOURCE = f"{INSTRUMENT}/source_1"
KEV = 1e3 * constants.eV


@pytest.fixture
def positions_of(read, measured):
    """Positions from the first, pixels of the object."""

    def found(path):
        positions = read(path)[0].positions
        return (positions - positions.min(axis=0)) / measured.optics.pixel_size

    return found


# Axes of the detector


def test_without_basis_vectors_rows_run_down_and_columns_to_the_right(write, put, read, measured, positions_of):
    path = put(write("cxi", axes=-1), **{f"{DETECTOR}/basis_vectors": None})
    np.testing.assert_allclose(positions_of(path), measured.corners, atol=1e-6)
    assert "rows run along -y of the laboratory and columns along -x, as CXI has it" in read(path)[0].warnings[0]
    # cdtools takes the same default.
    with h5py.File(path) as file:
        basis = cdtools.tools.data.get_detector_geometry(file)[1].T
        probe = (
            cdtools.tools.data.get_ptycho_translations(file) @ (basis / np.linalg.norm(basis, axis=1, keepdims=True)).T
        )
    np.testing.assert_allclose((probe - probe.min(axis=0)) / measured.optics.pixel_size, measured.corners, atol=1e-3)


@pytest.mark.parametrize("turn", [0, 90, 180, 270, 30])
def test_a_detector_that_is_turned_about_the_beam_sees_the_same_motion(write, put, measured, positions_of, turn):
    """The sample moves in the laboratory; along rows and columns of a turned detector its motion is turned back."""
    path = write("cxi")
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    with h5py.File(path) as file:
        basis, motion = file[f"{DETECTOR}/basis_vectors"][:], file["entry_1/data_1/translation"][:]
    put(
        path,
        **{
            f"{DETECTOR}/basis_vectors": basis @ rotation.T,
            "entry_1/sample_1/geometry_1/translation": motion @ rotation.T,
        },
    )
    np.testing.assert_allclose(positions_of(path), measured.corners, atol=1e-6)


def test_basis_vectors_may_be_transposed_in_any_unit_once_a_pattern_or_without_a_length(
    write, put, measured, positions_of
):
    path = write("cxi")
    with h5py.File(path) as file:
        basis = file[f"{DETECTOR}/basis_vectors"][:]
    noisy = basis * (1 + 1e-4 * np.random.default_rng(0).random((12, 1, 1)))
    for value in (basis.T, (basis * 1e3, "mm"), noisy, basis / np.abs(basis).max()):
        np.testing.assert_allclose(
            positions_of(put(path, **{f"{DETECTOR}/basis_vectors": value})), measured.corners, atol=1e-2
        )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda basis: np.stack([basis, 1.1 * basis] * 6), "basis_vectors' must be the same for all patterns"),
        (lambda basis: (basis, "mm"), "states two sizes of a detector pixel, 'basis_vectors' of .* and pixels of"),
        (lambda basis: 2 * basis, "states two sizes of a detector pixel"),
        (lambda basis: (basis, "parsec"), "basis_vectors' is in 'parsec', which is none of m, cm"),
        (
            lambda basis: basis + [[0, 0, 0.5 * np.abs(basis).max()]] * 2,
            "must be at right angles to each other and to the beam",
        ),
        (
            lambda basis: basis + 0.1 * np.flipud(basis) * [[1], [0]],
            "must be at right angles to each other and to the beam",
        ),
    ],
)
def test_axes_that_contradict_something_are_refused(write, put, refused, change, sentence):
    path = write("cxi")
    with h5py.File(path) as file:
        value = change(file[f"{DETECTOR}/basis_vectors"][:])
    refused(put(path, **{f"{DETECTOR}/basis_vectors": value}), sentence)


# The beam


@pytest.mark.parametrize(
    ("particle", "electronvolts", "metres"),
    # Textbook values: electron microscopes of 100, 200 and 300 kV; a thermal neutron; copper's K alpha line.
    [
        ("electron", 100e3, 3.701e-12),
        ("electron", 200e3, 2.508e-12),
        ("electron", 300e3, 1.969e-12),
        ("neutron", 25.3e-3, 1.798e-10),
        ("photon", 8047.8, 1.5406e-10),
    ],
)
def test_a_wavelength_is_that_of_the_particle(particle, electronvolts, metres):
    found = wavelength_of(electronvolts * constants.eV, particle)
    assert found == pytest.approx(metres, rel=5e-4, abs=0)
    assert energy_of(found, particle) == pytest.approx(electronvolts * constants.eV, rel=1e-6, abs=0)


@pytest.mark.parametrize("particle", MASSES)
@pytest.mark.parametrize("energy", [1e-25, 1e-18, 1e-12, 1e-8])
def test_energy_and_wavelength_are_inverse(particle, energy):
    assert energy_of(wavelength_of(energy, particle), particle) == pytest.approx(energy, rel=1e-9, abs=0)


@pytest.fixture
def beam(write, put):
    """A file that says of its beam only what is given."""

    def written(**entries):
        return put(write("cxi"), **{f"{SOURCE}/wavelength": None, f"{SOURCE}/energy": None} | entries)

    return written


@pytest.mark.parametrize(
    "name", ["electron", "Electron", b"electrons ", "positron", np.array([b"electron"]), np.array(["electron"], object)]
)
def test_electrons_have_a_relativistic_wavelength_and_their_own_energy(beam, read, name, tmp_path, measured):
    path = beam(**{f"{SOURCE}/energy": (200.0, "keV"), f"{SOURCE}/probe": name})
    raw, _ = read(path)
    assert (raw.particle, raw.wavelength) == ("electron", pytest.approx(2.5079e-12, rel=1e-4, abs=0))
    facts = as_mapping(summarise(path, Reading(), Patterns()))
    assert (facts["particle"], facts["energy_kev"]) == ("electron", pytest.approx(200))
    # What is made of the scan says so too.
    with create_dataset(
        tmp_path / "own.cxi", window=(32, 32), positions=measured.corners, optics=prepare_optics(path)
    ) as patterns:
        patterns[:] = measured.patterns
    again, _ = read(tmp_path / "own.cxi")
    assert (again.particle, again.wavelength) == ("electron", raw.wavelength)
    with h5py.File(tmp_path / "own.cxi") as file:
        assert file[f"{SOURCE}/energy"][()] == pytest.approx(200 * KEV, rel=1e-6, abs=0)


def prepare_optics(path):
    with open_scan(path) as raw:
        return prepare(raw).optics


@pytest.mark.parametrize("name", ["x-ray", "X-rays", "photon", "", 1.0, np.zeros(3)])
def test_x_rays_and_what_names_no_particle_are_photons(beam, read, name):
    raw, _ = read(beam(**{f"{SOURCE}/energy": 8 * KEV, f"{SOURCE}/probe": name}))
    assert (raw.particle, raw.wavelength) == ("photon", pytest.approx(1.5498e-10, rel=1e-4, abs=0))


def test_thermal_neutrons_are_waves_too(beam, read):
    raw, _ = read(beam(**{f"{SOURCE}/energy": (25.3, "meV"), f"{SOURCE}/probe": "neutron"}))
    assert raw.wavelength == pytest.approx(1.798e-10, rel=1e-3, abs=0)


def test_unknown_particles_are_refused(beam, refused):
    refused(
        beam(**{f"{SOURCE}/energy": 8 * KEV, f"{SOURCE}/probe": "helium ion"}),
        "probe' is 'helium ion', which is none of photon, x-ray",
    )


@pytest.mark.parametrize(
    "place",
    [
        "source_1/energy",
        "monochromator_1/energy",
        "beam_1/incident_energy",
        "beam_1/incident_beam_energy",
        "beam_1/energy",
    ],
)
@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (8.0, "keV"),
        (8000.0, "eV"),
        (8000.0, b"ev"),
        (8e-3, "MeV"),
        (8e6, "meV"),
        (8 * KEV, "J"),
        (8 * KEV, None),
        (8 * KEV, ""),
        (8.0, ["keV"]),
        (8.0, "kiloelectronvolt"),
        (8000.0, "electronvolts"),
        (8e-3, "megaelectronvolts"),
        (8e6, "Millielectronvolt"),
        (8e-6, "gigaelectronvolt"),
        (8 * KEV, "joules"),
    ],
)
def test_energies_are_read_in_every_place_and_unit(beam, read, place, value, unit):
    raw, _ = read(beam(**{f"{INSTRUMENT}/{place}": (value, unit)}))
    assert raw.wavelength == pytest.approx(1.5498e-10, rel=1e-4, abs=0)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (2.0, "m"),
        (2000.0, "mm"),
        (200.0, "cm"),
        (2e6, "µm"),
        (2e6, "microns"),
        (2e9, "NM"),
        (2e10, "Angstroms"),
        (2.0, " meters "),
        (200.0, "centimeters"),
        (200.0, "centimetre"),
        (2e3, "millimetres"),
        (2e6, "micrometer"),
        (2e9, "nanometres"),
        (2e12, "picometer"),
        (2e12, "Picometres"),
        (2.0, "metre"),
        (2e3, "millimeter"),
        (2e6, "um"),
        (2e6, "\u03bcm"),  # a Greek letter; above, the sign for micro
        (2e6, "micrometres"),
        (2e9, "nanometer"),
        (2e10, "A"),
        (2e10, "\u00c5"),
        (2e10, "ångström"),
        (2e12, "pm"),
    ],
)
def test_lengths_are_read_in_every_unit(write, put, read, value, unit):
    assert read(put(write("cxi"), **{f"{DETECTOR}/distance": (value, unit)}))[0].distance == pytest.approx(2)


def test_a_length_that_is_recorded_with_each_pattern_is_their_mean(write, put, read):
    lengths = 2 + np.linspace(-4e-4, 4e-4, 12)
    assert read(put(write("cxi"), **{f"{DETECTOR}/distance": lengths}))[0].distance == pytest.approx(2, rel=1e-6)


def test_a_unit_may_stand_in_the_singular_attribute(write, put, read):
    path = put(write("cxi"), **{f"{DETECTOR}/distance": 2e3})
    with h5py.File(path, "r+") as file:
        file[f"{DETECTOR}/distance"].attrs["unit"] = "mm"
    assert read(path)[0].distance == pytest.approx(2)


@pytest.mark.parametrize(
    ("name", "unit", "sentence"),
    [
        (f"{DETECTOR}/distance", "inch", "distance' is in 'inch', which is none of m, cm, mm"),
        (f"{DETECTOR}/x_pixel_size", "keV", "x_pixel_size' is in 'keV'"),
        (f"{DETECTOR}/distance", 3.0, "the unit of '.*distance' must be text, found 3.0"),
        (f"{DETECTOR}/distance", ["mm", "m"], "the unit of '.*distance' must be text"),
        ("entry_1/data_1/translation", "pixel", "translation' is in 'pixel', which is none of m"),
    ],
)
def test_unknown_units_are_refused(write, refused, name, unit, sentence):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        file[name].attrs["units"] = unit
    refused(path, sentence)


@pytest.mark.parametrize("energy", [5e-324, 1e-200, 1e300])
def test_energies_beyond_all_beams_are_ignored_in_words(beam, read, energy):
    raw, _ = read(beam(**{f"{SOURCE}/energy": energy}))
    assert raw.wavelength is None
    assert "which is not that of a beam, and is ignored" in raw.warnings[0]


@pytest.mark.parametrize(
    "other", [f"{INSTRUMENT}/monochromator_1/energy", f"{INSTRUMENT}/beam_1/incident_energy", f"{SOURCE}/wavelength"]
)
def test_what_is_ignored_is_told_where_another_wavelength_is_stated_too(beam, read, other):
    stated = f"{INSTRUMENT}/beam_1/energy"
    raw, _ = read(beam(**{stated: 8 * KEV, other: (3.0, "GeV") if "energy" in other else 3.0}))
    assert raw.wavelength == pytest.approx(1.5498e-10, rel=1e-4, abs=0)
    (warning,) = raw.warnings
    assert f"'{other}' is" in warning
    assert "which is not that of a beam, and is ignored" in warning


@pytest.mark.parametrize(
    ("entries", "given", "particle"),
    [
        ({f"{SOURCE}/energy": 8 * KEV}, None, "photon"),
        ({f"{SOURCE}/energy": 200 * KEV, f"{SOURCE}/probe": "electron"}, None, "electron"),
        ({f"{SOURCE}/energy": 200 * KEV, f"{SOURCE}/probe": "electron"}, 2.5e-12, "electron"),
        ({f"{SOURCE}/probe": "x-ray"}, 1.5e-10, "photon"),
        ({f"{SOURCE}/energy": 8 * KEV}, 2.5e-12, None),  # it was another beam
        ({f"{SOURCE}/wavelength": 2.5079e-12}, None, None),
        ({}, 2.5079e-12, None),
    ],
)
def test_a_wavelength_alone_says_nothing_of_the_particle(beam, read, tmp_path, measured, entries, given, particle):
    path, reading = beam(**entries), Reading(geometry=Geometry(wavelength=given))
    summary = summarise(path, reading, Patterns())
    facts = as_mapping(summary)
    assert facts["particle"] == particle
    assert (facts["energy_kev"] is None) == (particle is None)
    (line,) = (line for line in described(facts).splitlines() if "wavelength" in line and "geometry" in line)
    assert ("photons of" in line) == (particle in (None, "photon"))
    assert ("electrons of" in line) == (particle in (None, "electron"))
    # Nor does what is made of the scan.
    positions, optics = measured.corners, summary.scan.optics
    with create_dataset(tmp_path / "own.cxi", window=(32, 32), positions=positions, optics=optics) as patterns:
        patterns[:] = measured.patterns
    again, _ = read(tmp_path / "own.cxi")
    assert (again.particle, again.wavelength) == (particle, pytest.approx(facts["wavelength"], rel=1e-6, abs=0))


def test_a_wavelength_alone_is_told_with_both_energies_that_it_may_have(beam):
    facts = as_mapping(summarise(beam(**{f"{SOURCE}/wavelength": 2.5079e-12}), Reading(), Patterns()))
    assert "wavelength 2.51 pm (photons of 494.4 keV or electrons of 200 keV)" in described(facts)
    facts = as_mapping(
        summarise(beam(**{f"{SOURCE}/energy": (25.3, "meV"), f"{SOURCE}/probe": "neutron"}), Reading(), Patterns())
    )
    assert "(neutrons of 25.3 meV)" in described(facts)


def test_directions_without_a_length_say_nothing_about_pixels(write, put, read):
    path = put(write("cxi"), **{f"{DETECTOR}/basis_vectors": [[0, -1.0, 0], [-1.0, 0, 0]]})
    assert read(path)[0].detector_pixel is not None
    assert read(put(path, **{f"{DETECTOR}/{axis}_pixel_size": None for axis in "xy"}))[0].detector_pixel is None


def test_what_patterns_in_another_file_are_is_read_there(tmp_path, write, refused, measured):
    path = write("cxi")
    with h5py.File(tmp_path / "frames.h5", "w") as other, h5py.File(path, "r+") as file:
        other["raw"] = measured.patterns
        other["raw"].attrs["axes"] = "module_identifier:y:x"
        del file["entry_1/data_1/data"]
        file["entry_1/data_1/data"] = h5py.ExternalLink("frames.h5", "/raw")
    refused(path, "'entry_1/data_1/data' holds the modules of a detector one by one")


def test_two_wavelengths_are_refused_but_not_the_energy_of_a_storage_ring(write, put, beam, read, refused):
    refused(
        put(write("cxi"), **{f"{SOURCE}/energy": 9 * KEV}),
        r"states two wavelengths of its photons, '.*wavelength' of .* and '.*energy' of",
    )
    refused(
        beam(**{f"{SOURCE}/energy": 9 * KEV, f"{INSTRUMENT}/monochromator_1/energy": 8 * KEV}), "states two wavelengths"
    )
    # As if electrons were photons.
    refused(put(write("cxi"), **{f"{SOURCE}/probe": "electron"}), "states two wavelengths of its electrons")
    raw, _ = read(beam(**{f"{SOURCE}/energy": (3.0, "GeV"), f"{INSTRUMENT}/beam_1/energy": (8.0, "keV")}))
    assert raw.wavelength == pytest.approx(1.5498e-10, rel=1e-4, abs=0)
    assert raw.warnings == ()


# Numbers of every pattern


@pytest.mark.parametrize(
    "name", [f"{DETECTOR}/distance", f"{DETECTOR}/x_pixel_size", f"{SOURCE}/energy", f"{SOURCE}/wavelength"]
)
def test_a_number_of_every_pattern_is_one_number_within_an_encoders_noise(write, put, read, refused, name):
    path = write("cxi")
    with h5py.File(path) as file:
        value = file[name][()]
    expected, _ = read(path)
    noise = np.random.default_rng(0).uniform(-4e-4, 4e-4, 12)
    raw, _ = read(put(path, **{name: value * (1 + noise)}))
    assert (raw.wavelength, raw.distance) == (
        pytest.approx(expected.wavelength, rel=1e-3, abs=0),
        pytest.approx(expected.distance, rel=1e-3),
    )
    refused(
        put(path, **{name: value * (1 + 10 * noise)}),
        r"must be one number greater than 0, found .* to .* \(patterns may differ by 0.1%\)",
    )


# Where the beam hits the detector


def corner(measured, row, column, distance=2.0):
    pixel = measured.optics.detector_pixel_size(32)
    return np.array([(column + 0.5) * pixel, (row + 0.5) * pixel, distance])


def test_a_corner_position_says_where_the_beam_is_and_how_far(write, put, read, measured):
    path = put(write("cxi"), **{f"{DETECTOR}/corner_position": corner(measured, 14, 17), f"{DETECTOR}/distance": None})
    raw, _ = read(path)
    assert (raw.centre, raw.distance) == ((14, 17), pytest.approx(2))
    assert read(put(path, **{f"{DETECTOR}/corner_position": (corner(measured, 14, 17) * 1e3, "mm")}))[0].centre == (
        14,
        17,
    )
    opposite = corner(measured, 14, 17) * [-1, -1, 1]
    assert read(put(write("cxi", axes=1), **{f"{DETECTOR}/corner_position": opposite}))[0].centre == (14, 17)


def test_a_corner_that_nobody_measured_says_nothing(write, put, read, measured):
    for value in (np.zeros(3), np.array([0, 0, 2.0])):
        raw, _ = read(put(write("cxi"), **{f"{DETECTOR}/corner_position": value}))
        assert (raw.centre, raw.distance, raw.warnings) == (None, pytest.approx(2), ())
    raw, _ = read(put(write("cxi"), **{f"{DETECTOR}/corner_position": corner(measured, 1, -200)}))
    assert raw.centre is None
    assert (
        r"corner_position' puts the beam at pixel (1.5, -199.5) of a frame of 32 x 32, and is ignored"
        in raw.warnings[0]
    )


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            lambda measured: corner(measured, 16, 16, distance=3.0),
            "states two distances of the detector, 'distance' of 2 m and 'corner_position' at 3 m",
        ),
        (lambda measured: np.ones(2), "corner_position' must be x, y and z"),
        (lambda measured: np.array([np.nan, 0, 2]), "corner_position' must be x, y and z"),
        (
            lambda measured: np.stack([corner(measured, row, 16) for row in range(12)]),
            "corner_position' must be the same for all patterns",
        ),
    ],
)
def test_corners_that_contradict_something_are_refused(write, put, refused, measured, value, sentence):
    refused(put(write("cxi"), **{f"{DETECTOR}/corner_position": value(measured)}), sentence)


def test_the_beam_centre_of_nexus_is_honoured_and_doubted_in_words(write, put, read, measured):
    pixel = measured.optics.detector_pixel_size(32)
    for y, x in ((14.5, "pixel"), (14.5 * pixel * 1e3, "mm")):
        path = put(write("nxcxi"), **{f"{DETECTOR}/beam_center_y": (y, x), f"{DETECTOR}/beam_center_x": (y, x)})
        assert read(path)[0].centre == (14, 14)
    path = put(write("nxcxi"), **{f"{DETECTOR}/beam_center_{axis}": (8.0, "pixels") for axis in "yx"})
    with open_scan(path) as raw:
        scan = prepare(raw)
    assert scan.centre == (8, 8)
    assert any("puts the beam at detector pixel (8, 8), its patterns rather at" in warning for warning in scan.warnings)


@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize("size", [75e-6, 55e-6, 13.5e-6])
def test_a_beam_on_the_border_of_two_pixels_is_not_moved_by_rounding(tmp_path, number, size):
    """A metre in 32 bits, or one divided by another, may come out a billionth of a pixel short."""
    path = tmp_path / "detector.h5"
    for at in (*range(16, 1025, 16), 4090):
        with h5py.File(path, "w") as file:
            detector = file.create_group(DETECTOR)
            for axis in "xy":
                detector[f"{axis}_pixel_size"] = number(size)
            detector["corner_position"] = np.array([at * size, (at + 1) * size, 2], number)
        with open_source(path) as source:
            assert geometry(source, (4096, 4096)).centre == (at + 1, at)
        with h5py.File(path, "r+") as file:
            for axis, place in (("x", at), ("y", at + 1)):
                file[f"{DETECTOR}/beam_center_{axis}"] = number(place * size)
            del file[f"{DETECTOR}/corner_position"]
        with open_source(path) as source:
            assert geometry(source, (4096, 4096)).centre == (at + 1, at)


@pytest.mark.parametrize("unit", ["pixel", "mm"])
def test_a_beam_centre_of_every_pattern_is_one_within_a_pixel(write, put, read, refused, measured, unit):
    path, step = write("nxcxi"), 1 if unit == "pixel" else measured.optics.detector_pixel_size(32) * 1e3
    wandering = 17.25 + np.linspace(-0.4, 0.4, 12)  # as a fit finds it
    for y, x in ((np.full(12, 14.5), np.full(12, 17.25)), (np.full((12, 1), 14.5), wandering)):
        put(path, **{f"{DETECTOR}/beam_center_y": (y * step, unit), f"{DETECTOR}/beam_center_x": (x * step, unit)})
        raw, _ = read(path)
        assert (raw.centre, raw.warnings) == ((14, 17), ())
    put(path, **{f"{DETECTOR}/beam_center_x": ((17.25 + np.linspace(0, 1.1, 12)) * step, unit)})
    refused(path, "beam_center_x' must be the same for all patterns, found 12 of which some differ")


@pytest.mark.parametrize(
    ("entries", "warning"),
    [
        ({"beam_center_x": (14.5, "pixel")}, "beam_center_x' alone is ignored, of .*beam_center_y and"),
        (
            {"beam_center_y": (14.5, "pixel"), "beam_center_x": (np.full(12, np.nan), "pixel")},
            "beam_center_x' is ignored, as it is not a number, or one for each pattern",
        ),
        (
            {"beam_center_y": (np.nan, "pixel"), "beam_center_x": (14.5, "pixel")},
            "beam_center_y' is ignored, as it is not a number",
        ),
        (
            {"beam_center_y": 1e-3, "beam_center_x": 1e-3},
            "beam_center_y' is ignored, as the file records no size of a detector pixel",
        ),
        ({"corner_position": np.array([1e-3, 1e-3, 2.0])}, "corner_position' is ignored, as the file records no size"),
    ],
)
def test_what_says_where_the_beam_is_and_cannot_be_used_is_told(write, put, read, entries, warning):
    axes = {"basis_vectors": [[0, -1.0, 0], [-1.0, 0, 0]], "x_pixel_size": None, "y_pixel_size": None}
    raw, _ = read(put(write("cxi"), **{f"{DETECTOR}/{name}": value for name, value in (axes | entries).items()}))
    assert raw.centre is None
    (told,) = raw.warnings
    assert re.search(warning, told)


# Counts


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("name", ["data_dark", "dark"])
def test_a_dark_frame_is_subtracted(write, put, read, measured, stack, name):
    dark = np.random.default_rng(0).integers(1, 9, (32, 32)).astype(np.float32)
    path = write("cxi", patterns=measured.patterns + dark)
    assert read(path)[1].sum() > measured.patterns.sum()
    raw, frames = read(put(path, **{f"{DETECTOR}/{name}": np.stack([dark - 1, dark + 1]) if stack else dark}))
    np.testing.assert_allclose(frames, measured.patterns, atol=1e-3)
    assert f"'{name}' is subtracted" in raw.warnings[0]


@pytest.mark.parametrize(("data_dark", "level"), [(3, 3), (0, 5)])
def test_of_two_dark_frames_that_of_the_specification_counts_unless_it_is_none(write, put, read, data_dark, level):
    path = write("cxi")
    before = read(path)[1]
    both = {f"{DETECTOR}/data_dark": np.full((32, 32), data_dark), f"{DETECTOR}/dark": np.full((32, 32), 5)}
    np.testing.assert_allclose(read(put(path, **both))[1], before - level, atol=1e-3)


def test_counts_become_photons_and_saturated_ones_the_most_that_there_can_be(write, put, read, measured):
    gain, limit = 4, 2**16 - 1
    counts = np.minimum(gain * measured.patterns + 1, limit).astype(np.uint16)
    counts[:, 3, 4] = limit
    path = write("cxi", patterns=counts)
    put(
        path,
        **{
            f"{DETECTOR}/counts_per_joule": gain / energy_of(1.4e-10),
            f"{DETECTOR}/data_dark": np.ones((32, 32), np.uint16),
        },
    )
    raw, frames = read(path)
    full = counts == limit
    np.testing.assert_allclose(frames[~full], measured.patterns[~full], rtol=1e-5, atol=1e-3)
    assert (frames[full] == raw.saturation).all()
    assert raw.saturation == pytest.approx(limit / gain)
    assert any("counts are divided by 4 a photon" in warning for warning in raw.warnings)


def test_what_holds_nothing_is_ignored(write, put, read, measured):
    nothing = {
        "data_dark": np.zeros((32, 32)),
        "dark": np.zeros((32, 32)),
        "data_white": np.ones((32, 32)),
        "qe_mask": np.full((32, 32), 0.7),
        "counts_per_joule": 1 / energy_of(1.4e-10),
    }
    raw, frames = read(put(write("cxi"), **{f"{DETECTOR}/{name}": value for name, value in nothing.items()}))
    np.testing.assert_array_equal(frames, measured.patterns)
    assert raw.warnings == ()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("data_white", np.eye(32), "data_white' holds an image without the sample, which is not applied"),
        ("qe_mask", np.eye(32) + 1, "qe_mask' holds a flat field, .*; divide the patterns by it, and delete it"),
        (
            "data_dark",
            np.ones((31, 32)),
            r"data_dark' must have the patterns' shape \(32, 32\), found shape \(31, 32\)",
        ),
        (
            "data_dark",
            np.stack([np.ones((32, 32)), np.where(np.eye(32), np.nan, 1)]),
            "data_dark' must be finite, 32 numbers of its 2 frames are NaN or infinite",
        ),
        (
            "mask",
            np.stack([np.eye(32)] * 11 + [np.zeros((32, 32))]),
            "mask' must be the same for all patterns, found 12 of which some differ",
        ),
    ],
)
def test_images_that_cannot_be_applied_are_refused(write, put, refused, name, value, sentence):
    refused(put(write("cxi"), **{f"{DETECTOR}/{name}": value}), sentence)


def test_a_mask_of_every_pattern_is_one_mask(write, put, read):
    raw, _ = read(put(write("cxi"), **{f"{DETECTOR}/mask": np.stack([np.eye(32, dtype=np.uint32)] * 12)}))
    np.testing.assert_array_equal(raw.mask, np.eye(32, dtype=bool))


# What the patterns are


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ("translation:y:x", None),
        (b"translation:y:x", None),
        ("experiment_identifier:y:x", None),
        ("translation:x:y", "must have y and x as its last axes, found 'translation:x:y'"),
        ("y:x:translation", "must have y and x as its last axes"),
        ("translation,x,y", "must have y and x as its last axes, found 'translation:x:y'"),
        ("[ translation, X, Y ]", "must have y and x as its last axes, found 'translation:x:y'"),
        (["translation", "x", "y"], "must have y and x as its last axes, found 'translation:x:y'"),
        (np.array([b"translation", b"x", b"y"]), "must have y and x as its last axes, found 'translation:x:y'"),
        (["translation:x:y"], "must have y and x as its last axes, found 'translation:x:y'"),
        ("translation,y,x", None),
        ("[translation,y,x]", None),
        (["translation", "y", "x"], None),
        (np.array([b"translation", b"y", b"x"]), None),
        (["x", "y"], None),
        (np.array([1, 2, 3]), None),
        ("module_identifier:y:x", "holds the modules of a detector one by one; assemble them to frames"),
        (["module_identifier", "y", "x"], "holds the modules of a detector one by one; assemble them to frames"),
    ],
)
def test_axes_that_are_named_are_those_of_patterns(write, read, refused, axes, sentence):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        file["entry_1/data_1/data"].attrs["axes"] = axes
    refused(path, sentence) if sentence else read(path)


def test_axes_that_a_group_names_are_those_of_patterns(write, read, refused):
    path = write("cxi")
    for axes, sentence in (
        (["translation", "x", "y"], "must have y and x as its last axes, found 'translation:x:y' of its group"),
        (["translation", "y", "x"], None),
        (["x", "y"], None),  # of the scan
        (["x", "y", ".", "."], None),
    ):
        with h5py.File(path, "r+") as file:
            file["entry_1/data_1"].attrs["axes"] = axes
        refused(path, sentence) if sentence else read(path)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("data_type", "unphased amplitude", "data_type' must be 'intensity', found 'unphased amplitude'"),
        ("data_space", "real", "data_space' must be 'diffraction', found 'real'"),
        ("is_fft_shifted", 1, "is_fft_shifted' must be 0, found 1"),
    ],
)
def test_processed_images_are_patterns_only_if_they_say_so(write, put, read, refused, measured, name, value, sentence):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        del file["entry_1/data_1/data"]
        file["entry_1/image_1/data"] = measured.patterns
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")
    read(path)
    refused(put(path, **{f"entry_1/image_1/{name}": value}), sentence)
    # What an image beside the detector's own patterns is does not matter.
    with h5py.File(path, "r+") as file:
        del file["entry_1/data_1/data"]
        file["entry_1/data_1/data"] = h5py.SoftLink(f"/{DETECTOR}/data")
    read(path)


def test_of_several_entries_the_first_is_read(write, read):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        file["entry_2"] = h5py.ExternalLink("gone.cxi", "/entry_1")
        file["entry_1/image_1/data"] = h5py.ExternalLink("gone.cxi", "/entry_1/image_1/data")
    assert "holds more than one entry: entry_1 is read" in read(path)[0].warnings[0]
