"""`map`: landslides of scenes on a map."""

import dataclasses

from ..console import bar, load_tensorflow, progress, say


def map(options) -> None:
    from ..mapping.extra import check_dask, check_extra

    check_extra()
    cluster = None
    if options.workers or options.scheduler:
        check_dask()
        from ..mapping.cluster import Cluster

        cluster = Cluster(options.workers, options.scheduler)
    load_tensorflow()
    from ..mapping.plan import Options, licence_of
    from ..mapping.scenes import map_scenes
    from ..models.loading import weights_file
    from ..models.saving import read_weights

    weights = [read_weights(weights_file(path)) for path in (options.weights, *options.ensemble)]
    how = Options(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Options)})
    goes = {"overwrite": options.overwrite, "resume": options.resume}
    with progress(0, "mapping", "window") as shown:

        def begin(windows: int, done: int) -> None:
            shown.reset(windows)
            shown.update(done)

        done = map_scenes(
            options.scenes,
            options.out,
            weights,
            how,
            **goes,
            cluster=cluster,
            report=say,
            begin=begin,
            watch=shown.update,
            track=bar("writing", "strip"),
        )
    for one in done:
        say(f"{one.scene}: {one.landslides} landslides, {one.area:,.0f} {one.unit}.")
    say(f"Maps, outlines and summary.csv: {options.out}")
    if licence := licence_of(weights):
        say(licence)
