"""The runs of a config: every combination of an experiment's lists, and the parts of them that tables and figures show."""

from copy import deepcopy
from itertools import product
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ptychoformer.configuration import load
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.drawn import (
    experiments_of_fig8,
    held_figures,
    labels_of_fig4,
    overlaps,
    references_of_fig6,
    runs_of_fig4,
    runs_of_fig8,
    runs_of_fig9,
    views,
    weights_of_losses,
)
from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.experiments import Experiments
from ptychoformer.paths import EVALUATION
from ptychoformer.publication.tables import notes
from ptychoformer.publication.tables.layout import Layout

ROOT = Path(__file__).resolve().parents[1]
CONFIG = load([ROOT / "config.yaml"], ROOT)


@pytest.fixture
def experiments():
    return Experiments(deepcopy(CONFIG))


def kept(parts, views=(), **measured):
    """A store that holds these parts whole, views of these networks, and bands and spectra of the seeds that are given for a network."""

    def has(run, part):
        if part in ("bands", "spectra"):
            return run["seed"] in measured.get(run["model"], {0, 1})
        return run["seed"] in (0, 1) and (part != "views" or run["model"] in views)

    return SimpleNamespace(parts=parts, has=has, retrained_on=lambda run: None)


def part(seeds, interim=False, absent=(), methods=(), devices=MappingProxyType({})):
    lacking = dict(absent=absent, absent_methods=absent)
    return SimpleNamespace(seeds=seeds, interim=interim, methods=methods, devices=devices, **lacking)


@pytest.mark.parametrize("experiment", CONFIG["experiments"])
def test_the_runs_are_every_combination_of_the_lists_once(experiments, experiment):
    entry, found = CONFIG["experiments"][experiment], experiments.runs(experiment)
    lists = entry["datasets"], experiments.networks(experiment), entry["losses"], entry["n_train"], CONFIG["seeds"]
    names = ("dataset", "model", "loss", "n_train", "seed")
    assert {tuple(run[name] for name in names) for run in found} == set(product(*lists))
    assert all(run["test"] == (entry["test"] or run["dataset"]) for run in found)
    assert len({EVALUATION.format(**run) for run in found}) == len(found)


def test_a_part_of_an_experiment_can_be_asked_for(experiments):
    assert experiments.runs("table1", dataset="noisy", model="dpi", seed=2) == [
        {"dataset": "noisy", "test": "noisy", "model": "dpi", "loss": "mse", "n_train": 400, "seed": 2}
    ]


def test_every_dataset_has_its_references_but_a_measured_one_no_reconstruction(experiments):
    assert {run["model"] for run in experiments.references("table2")} == set(REFERENCES)
    assert {run["test"] for run in experiments.references("table2")} == {"curved"}
    assert {run["model"] for run in experiments.references("measured")} == set(REFERENCES) - {"epie"}


def test_runs_that_experiments_share_are_counted_once(experiments):
    alone = [len(experiments.runs(name)) for name in ("table3", "table5")]
    assert len(experiments.all_runs(["table3", "table5"])) == sum(alone) - len(CONFIG["seeds"])  # those of Ptychoformer


def test_what_is_drawn_has_the_first_dataset_the_greatest_set_and_the_first_seed(experiments):
    drawn = experiments.runs_to_draw("sizes")
    assert [run["model"] for run in drawn] == experiments.networks("sizes")
    assert {(run["dataset"], run["n_train"], run["seed"]) for run in drawn} == {("clean", 400, 0)}
    assert {run["n_train"] for run in runs_of_fig8(experiments)} == {192, 50}
    assert [run["model"] for run in runs_of_fig4(experiments)] == [*experiments.networks("table1"), "epie"]
    assert labels_of_fig4(experiments)["epie"] == "ePIE"
    of_fig6, network = references_of_fig6(experiments), experiments.runs_to_draw("table2")[0]
    assert [(run["model"], run["loss"]) for run in of_fig6] == [("floor", "none"), ("ceiling", "none")]
    assert all(run[key] == network[key] for run in of_fig6 for key in ("dataset", "test", "n_train", "seed"))
    shown = views(experiments, "sizes", runs_of_fig8(experiments))
    assert [view["n_train"] for view in shown] == [192, 50]
    assert all(view["models"] == experiments.networks("sizes") and view["block"] == "lower_right" for view in shown)


@pytest.mark.parametrize(
    ("sizes", "drawn"), [((50, 400), [400, 50]), ((50, 192, 400), [192, 50]), ((400,), []), ((), [])]
)
def test_of_a_store_two_sizes_are_drawn_of_which_it_has_views(experiments, sizes, drawn):
    def has(run, part):
        return run["seed"] == 0 and (part != "views" or run["n_train"] in sizes)

    parts = {
        "sizes": part({("clean", size): (0, 1) for size in (50, 192, 400)}),
        "overlaps": part({(dataset, 192): (0, 1) for dataset in overlaps(experiments)}),
    }
    stored = Experiments(CONFIG, SimpleNamespace(parts=parts, has=has))
    assert list(dict.fromkeys(run["n_train"] for run in runs_of_fig8(stored))) == drawn
    assert experiments_of_fig8(stored) == (["sizes", "overlaps"] if drawn else ["overlaps"])


def test_losses_and_datasets_say_what_figures_draw_them_against(experiments):
    weights = weights_of_losses(experiments)
    assert weights == {"mse": 1.0, "nssim": 0.0, "weighted_20": 0.2, "weighted_50": 0.5, "weighted_90": 0.9}
    assert overlaps(experiments) == {"clean": 0.75, "overlap_50": 0.5, "overlap_0": 0}


def test_the_experiment_of_several_losses_compares_them(experiments):
    assert {name for name in CONFIG["experiments"] if experiments.factor(name) == "loss"} == {"table4"}


def test_measured_data_have_epochs_of_their_own(experiments):
    assert (experiments.epochs("clean"), experiments.epochs("measured")) == (10, 30)


def leaves(part, *keys):
    """The keys of every value of a config that is no mapping of others."""
    if not isinstance(part, dict):
        return [keys]
    return [leaf for key, value in part.items() for leaf in leaves(value, *keys, key)]


@pytest.mark.parametrize("experiment", CONFIG["experiments"])
def test_a_changed_key_changes_the_scale_unless_no_number_hangs_on_it(experiments, experiment):
    """What is left out is of other experiments, or says where files are and what is told."""
    entry, scale = CONFIG["experiments"][experiment], experiments.scale(experiment)
    names = [*entry["datasets"], *([entry["test"]] if entry["test"] else [])]
    used = {
        "experiments": {experiment},
        "datasets": {*names},
        "models": {*experiments.networks(experiment)},
        "losses": {*entry["losses"]},
        **{f"{part}s": {CONFIG["datasets"][name].get(part) for name in names} for part in ("object", "probe")},
    }
    elsewhere = {"pathvars", "data_dir", "downloads", "caution", "harvested"}
    elsewhere |= {"optics"} if experiment == "measured" else set()
    for first, *others in leaves(CONFIG):
        matters = first not in elsewhere and (first not in used or others[0] in used[first])
        place = scale.get(first, {})
        for key in others:
            place = place.get(key, {})
        assert (place != {}) == matters, (first, *others)


def test_a_scale_holds_all_that_numbers_depend_on(experiments):
    scale = experiments.scale("table2")
    assert set(scale["datasets"]) == set(scale["objects"]) == {"straight", "curved"}
    assert set(scale["probes"]) == {"zone_plate"}


def test_the_papers_network_must_take_part(experiments):
    experiments.config["models"]["ptychoformer"]["options"]["attention"] = "mhsa"
    with pytest.raises(
        InputError, match=r"^experiments\.table1: a network of kind ptychoformer with attention paper must take part"
    ):
        experiments.check()


def test_two_sizes_that_are_the_same_are_refused(experiments):
    experiments.config["experiments"]["sizes"]["n_train"] = [2928, "all"]
    assert experiments.sizes("sizes", "clean") == [2928]
    with pytest.raises(InputError, match=r"^experiments\.sizes\.n_train: all sizes are the same"):
        experiments.check()


def test_of_a_store_the_seeds_that_it_holds_whole_are_shown():
    stored = Experiments(CONFIG, kept({"table1": part({("clean", 400): (1, 2)})}))
    assert {run["seed"] for run in stored.runs("table1", dataset="clean")} == {1, 2}
    assert stored.runs("table1", dataset="noisy") == []
    assert {run["seed"] for run in stored.runs("table3")} == {0, 1, 2}


def test_figure_8_shows_the_half_that_a_store_holds():
    cells = {(dataset, 192): (0, 1) for dataset in ("clean", "overlap_50", "overlap_0")}
    parts = {"overlaps": part(cells)}
    assert experiments_of_fig8(Experiments(CONFIG, kept(parts))) == ["overlaps"]
    assert held_figures(Experiments(CONFIG, kept(parts))) == ["fig8"]
    parts["sizes"] = part({("clean", size): (0, 1) for size in (50, 192, 400)})
    assert experiments_of_fig8(Experiments(CONFIG, kept(parts))) == ["overlaps"]  # without pictures
    networks = Experiments(CONFIG).networks("sizes")
    assert experiments_of_fig8(Experiments(CONFIG, kept(parts, views=networks))) == ["sizes", "overlaps"]
    assert experiments_of_fig8(Experiments(CONFIG)) == ["sizes", "overlaps"]


def test_figures_of_a_store_are_those_that_it_has_views_of():
    cells = {("clean", 400): (0, 1), ("noisy", 400): (0, 1)}
    networks = Experiments(CONFIG).networks("table1")
    assert held_figures(Experiments(CONFIG, kept({"table1": part(cells)}))) == ["fig9"]
    with_views = Experiments(CONFIG, kept({"table1": part(cells)}, views=networks))
    assert held_figures(with_views) == ["fig4", "fig9"]
    assert [run["model"] for run in runs_of_fig4(with_views)] == networks


def test_figure_9_shows_the_seeds_whose_bands_a_store_has_of_all_networks():
    parts = {"table1": part({("clean", 400): (0, 1, 2)})}
    of_all = {network: {0, 2, 7} for network in Experiments(CONFIG).networks("table1")}
    stored = Experiments(CONFIG, kept(parts, **of_all))
    assert {run["seed"] for run in runs_of_fig9(stored)} == {0, 2}
    assert held_figures(stored) == ["fig9"]
    one_lacks = Experiments(CONFIG, kept(parts, **of_all | {"dpi": {1}}))
    assert (runs_of_fig9(one_lacks), held_figures(one_lacks)) == ([], [])
    assert runs_of_fig9(Experiments(CONFIG)) == Experiments(CONFIG).runs_of_spectra()


@pytest.mark.parametrize(
    ("losses", "held"),
    [(("mse", "mae"), []), (("mse", "nssim", "weighted_90"), []), (("mse", "weighted_20", "weighted_90"), ["fig10"])],
)
def test_figure_10_needs_two_weights(losses, held):
    methods = tuple(("ptychoformer", loss) for loss in losses)
    parts = {"table4": part({("clean", 192): (0, 1)}, methods=methods)}
    assert held_figures(Experiments(CONFIG, kept(parts))) == held


class TestNotes:
    def test_a_table_says_how_long_and_on_what_it_was_trained(self, experiments):
        note = notes.scale_note(experiments, "table1")
        assert note.startswith(
            "Each network was trained on 400 patterns for 10 epochs, with 3 seeds. The object is a generated one"
        )
        assert "30 epochs, with 3 seeds." in notes.scale_note(experiments, "measured")
        assert "generated" not in notes.scale_note(experiments, "measured")
        assert "on 50 or 192 or 400 patterns" in notes.scale_note(experiments, "sizes")

    def test_one_epoch_and_one_seed_are_singular(self, experiments):
        experiments.config["seeds"], experiments.config["training"]["epochs"] = [4], 1
        assert "for 1 epoch, with 1 seed." in notes.scale_note(experiments, "table1")

    def test_the_papers_own_object_needs_no_caution(self):
        paper = Experiments(load([ROOT / "config.yaml", ROOT / "config/paper.yaml"], ROOT))
        assert (
            notes.scale_note(paper, "table1")
            == "Each network was trained on 2,928 patterns for 25 epochs, with 10 seeds."
        )
        assert "generated" in notes.scale_note(paper, "table2")

    def test_what_a_store_lacks_is_told(self):
        cells = {("clean", 400): (0, 1, 2), ("noisy", 400): (0, 1)}
        stored = Experiments(CONFIG, kept({"table1": part(cells, interim=True, absent=("DPI",))}))
        note = notes.scale_note(stored, "table1")
        assert "with 2 to 3 seeds." in note
        assert note.endswith(
            "Interim: fewer than the 10 seeds that were fixed beforehand. Not among the reference runs, or not whole there: DPI."
        )

    def test_a_caption_tells_that_figure_9_has_fewer_seeds_than_were_fixed(self, experiments):
        def noted(seeds):
            of_all = {network: set(seeds) for network in experiments.networks("table1")}
            parts = {"table1": part({("clean", 400): tuple(range(10))}, absent=("PtyNet, large",))}
            return notes.figure_notes(Experiments(CONFIG, kept(parts, **of_all)))

        paper = read_contents(ROOT / CONTENTS)
        caption = paper.noted(noted([0])).figures["fig9"].caption
        assert caption.startswith(paper.figures["fig9"].caption)
        assert caption.endswith(
            "Here with the 1 seed of which the reference runs have every network’s spectra. "
            "Interim: fewer than the 10 seeds that were fixed beforehand. "
            "Not among the reference runs, or not whole there: PtyNet, large."
        )
        assert paper.noted(noted([0])).figures["fig4"] == paper.figures["fig4"]
        assert "with the 10 seeds" in noted(range(10))["fig9"]
        assert "Interim" not in noted(range(10))["fig9"]
        assert noted([]) == {}

    def test_captions_of_means_tell_of_how_many_seeds(self, experiments):
        experiments.config["seeds"] = [3, 5]
        assert notes.figure_notes(experiments) == dict.fromkeys(("fig5", "fig8", "fig9", "fig10"), "Here with 2 seeds.")

    def test_figure_10_tells_which_weights_a_store_lacks_and_no_other_loss(self):
        methods = tuple(("ptychoformer", loss) for loss in ("mse", "weighted_20", "weighted_90"))
        lacking = ("Huber", "Weighted, α = 0.3", "Weighted, α = 0.4", "NSSIM")
        table4 = part({("clean", 192): (0, 1, 2)}, interim=True, absent=lacking, methods=methods)
        assert notes.figure_notes(Experiments(CONFIG, kept({"table4": table4}))) == {
            "fig10": "Here with 3 seeds. Interim: fewer than the 10 seeds that were fixed beforehand."
            " Not among the reference runs, or not whole there: Weighted, α = 0.3, 0.4, NSSIM."
        }

    def test_what_was_not_trained_on_one_device_is_told(self):
        devices = {"NVIDIA H100": ("MSE",), "cpu": ("MAE", "Weighted, α = 0.2", "Weighted, α = 0.9")}
        table4 = part({("clean", 192): (0, 1)}, devices=devices, methods=(("ptychoformer", "mse"),))
        stored = Experiments(CONFIG, kept({"table4": table4}))
        said = " Not trained on one device: MSE on NVIDIA H100; MAE, Weighted, α = 0.2, 0.9 on a CPU."
        assert notes.scale_note(stored, "table4").endswith(said)
        methods = tuple(("ptychoformer", loss) for loss in ("mse", "weighted_20", "weighted_90"))
        stored.holdings.parts["table4"].methods = methods
        drawn = " Not trained on one device: MSE on NVIDIA H100; Weighted, α = 0.2, 0.9 on a CPU."
        assert notes.figure_notes(stored)["fig10"].endswith(drawn)
        stored.holdings.parts["table4"].devices = devices | {"NVIDIA H100": ("Huber",)}
        assert "device" not in notes.figure_notes(stored)["fig10"]

    def test_figure_9_and_claims_on_bands_tell_that_their_runs_were_trained_again(self):
        stored = Experiments(CONFIG, kept({"table1": part({("clean", 400): (0, 1)})}))
        stored.holdings.retrained_on = lambda run: "cpu"
        note = notes.figure_notes(stored)["fig9"]
        assert " They were trained again for it, on a CPU: these are not the scenes of Figure 4." in note
        scales = notes.scales(stored, ["table1"])
        assert scales["bands"] == f"{scales['table1']}, trained again"
        stored.holdings.retrained_on = lambda run: "cpu" if run["seed"] == 1 else None
        assert " Of them 1 were trained again for it, on a CPU:" in notes.figure_notes(stored)["fig9"]

    def test_figure_8_tells_the_seeds_of_each_half_and_what_a_store_lacks(self):
        sizes = part({("clean", size): tuple(range(10)) for size in (50, 192, 400)}, absent=("100 patterns",))
        cells = {(dataset, 192): (0, 1) for dataset in ("clean", "overlap_50", "overlap_0")}
        networks = Experiments(CONFIG).networks("sizes")
        parts = {"sizes": sizes, "overlaps": part(cells, interim=True)}
        note = notes.figure_notes(Experiments(CONFIG, kept(parts, views=networks)))["fig8"]
        assert note == (
            "Here **c** with 10 seeds, **d** with 2 seeds. Interim: fewer than the 10 seeds that were fixed beforehand."
            " Not among the reference runs, or not whole there: 100 patterns."
        )

    def test_words_hold_what_a_layout_is_made_of(self, experiments):
        paper = read_contents(ROOT / CONTENTS)
        for name, table in paper.tables.items():
            layout = Layout.of(notes.words(experiments, name, table))
            assert layout.table == table
            assert set(layout.conditions if name == "table4" else layout.methods) == set(experiments.networks(name))
        note = notes.harvest_note("a/store", paper, ["table1", "table3", "fig4"])
        assert note.endswith(
            "Left out for lack of whole runs: Table II, Table IV, Table V, Figure 8, Figure 9, Figure 10."
            " Figures 1, 2, 3, 5, 6 and 7 show what no store keeps."
        )
        half = notes.harvest_note("a/store", paper, [*paper.tables, *paper.figures], ["Figure 8 (a) to (c)"])
        assert " Left out for lack of whole runs: Figure 8 (a) to (c). Figures 1" in half
        assert "Left out" not in notes.harvest_note("a/store", paper, [*paper.tables, *paper.figures])
        parts = {"Table IV, Figure 10": ("Huber", "NPCC")}
        without = notes.harvest_note("a/store", paper, [*paper.tables, *paper.figures], absent=parts)
        assert " Left out for lack of whole runs: of Table IV, Figure 10: Huber, NPCC. Figures 1" in without

    def test_every_experiment_has_its_scale_and_the_bands_that_of_table_1(self, experiments):
        scales = notes.scales(experiments, ["table1", "table4", "measured"])
        assert scales["table1"] == scales["bands"] == "400 patterns of a generated object (permalloy), 10 epochs"
        assert scales["measured"] == "300 patterns of Siemens star, 30 epochs"
        assert "bands" not in notes.scales(experiments, ["table4"])


def test_a_dollar_in_a_label_begins_no_formula_of_a_figure(experiments):
    experiments.config["models"]["dpi"]["label"] = r"a $\foo$ of $5"
    drawn = experiments.drawn_labels("models", ["dpi", "ptychonn"])
    assert drawn == {"dpi": r"a \$\foo\$ of \$5", "ptychonn": "PtychoNN"}
    assert experiments.labels("models", ["dpi"]) == {"dpi": r"a $\foo$ of $5"}
    figure = Figure()
    FigureCanvasAgg(figure)
    text = figure.text(0.1, 0.1, drawn["dpi"])
    figure.draw_without_rendering()
    assert text.get_window_extent().width > 0
