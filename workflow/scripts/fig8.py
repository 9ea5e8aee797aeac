"""Figure 8: training-set size and overlap."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig8 import draw, load_rows, rows_of
    from ptychoformer.publication.names import scene_name
    from ptychoformer.publication.store.views import Shown, read_views

    files, params = snakemake.input, snakemake.params
    if params.shown:
        views = {shown["n_train"]: read_views(files.views, Shown(**shown)) for shown in params.shown}
        first = next(iter(views.values()))
        rows = rows_of({size: view.scene for size, view in views.items()}, first.ranges, scene_name(**params.headline))
        pictures = rows, first.pixel_size
    elif params.runs:
        scenes = {(run["n_train"], run["model"]): scene for run, scene in zip(params.runs, files.scenes, strict=True)}
        pictures = load_rows(files.dataset, scenes, params.models, **params.headline)
    else:
        pictures = None
    words = dict(
        models=params.models, overlap_models=params.overlap_models, overlaps=params.overlaps, **params.headline
    )
    draw(files.get("sizes"), files.get("overlaps"), pictures, **words, **dict(snakemake.output.items()))
