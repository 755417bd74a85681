"""Makes a page of the documentation of a notebook: a Sphinx parser that runs its cells at each build.

A cell that raises fails the build, so that the page cannot become wrong.

Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser

from tools.notebook_cells import Output, read_cells, run_notebook

# Longer than any fence within a cell or an output.
FENCE = "`" * 12


class NotebookParser(MystParser):
    """Parser of .ipynb files; text cells are Markdown as on the other pages."""

    supported = ("ipynb",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Run the notebook and parse what comes out."""
        path = Path(document["source"])
        first, *rest = page_of(inputstring, run_notebook(path))
        note = f"This page is {{download}}`a notebook <{path.name}>`, which was run when the page was built."
        super().parse("\n\n".join([first, note, *rest]), document)


def page_of(notebook: str, outputs: list[list[Output]]) -> Iterator[str]:
    """The page as Markdown, block by block: text, code, and the outputs of each code cell."""
    left = iter(outputs)
    for kind, source in read_cells(notebook):
        if kind == "markdown":
            yield source
            continue
        yield f"{FENCE}python\n{source}\n{FENCE}"
        for output in next(left):
            if output.kind == "html":
                yield f'{FENCE}{{raw}} html\n<div class="notebook-output">{output.content}</div>\n{FENCE}'
            else:
                yield f"{FENCE}text\n{output.content.rstrip()}\n{FENCE}"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx: .ipynb is a source, whose page is made anew at each build."""
    app.add_source_suffix(".ipynb", "ipynb")
    app.add_source_parser(NotebookParser)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def outdated(app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The pages of notebooks: what they show depends on the library too."""
    return [name for name in env.found_docs if env.doc2path(name, base=False).suffix == ".ipynb"]
