"""`tables`: what the results of the rows say, as tables."""

from ..console import bar, say


def tables(options) -> None:
    from ..files.checks import free_names
    from ..results.result import read_results
    from ..results.tables import all_tables, file_names, write_tables

    if options.out:
        free_names(options.out, file_names(), overwrite=options.overwrite)
    results = read_results(options.results)
    made = all_tables(results, options.data, bar("reading maps", "row"))
    if options.out:
        write_tables(made, options.out)
        say(f"{len(made)} tables of {len(results)} rows, each as Markdown, CSV and LaTeX: {options.out}")
        return
    for table in made:
        say(f"## {table.title}\n\n{table.markdown()}\n")
