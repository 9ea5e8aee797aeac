"""Figure 4: two scan points and the stitched scene, as every network sees them."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig4 import draw
    from ptychoformer.publication.figures.parts.panels import load_views
    from ptychoformer.publication.store.views import Shown, read_views

    files, params = snakemake.input, snakemake.params
    if params.shown:
        (shown,) = params.shown
        views = read_views(files.views, Shown(**shown))
    else:
        run_files = dict(zip(params.models, zip(files.patches, files.scenes, strict=True), strict=True))
        views = load_views(files.dataset, run_files, **params.headline)
    (condition,) = params.condition.values()
    draw(views, params.models, condition, **params.headline, **dict(snakemake.output.items()))
