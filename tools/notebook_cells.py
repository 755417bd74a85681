"""Runs the code cells of a notebook in a process of its own, and returns what each would show.

    python -m tools.notebook_cells docs/first_look.ipynb      print the outputs as JSON

No Jupyter is needed, only IPython. Nothing of the user's IPython is read or written.

Thread: main.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
# Seconds that a notebook may take.
TIMEOUT = 120


class Output(NamedTuple):
    """One output of a cell.

    Attributes
    ----------
    kind : str
        "html" or "text".
    content : str
    """

    kind: str
    content: str


class NotebookError(Exception):
    """A cell raised; the message is its traceback."""


def read_cells(notebook: str) -> list[tuple[str, str]]:
    """Type ("markdown" or "code") and source of each cell of a notebook's text."""
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]


def run_notebook(path: Path) -> list[list[Output]]:
    """Run the code cells one after another; returns the outputs of each.

    Raises
    ------
    NotebookError
        a cell raised
    """
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path])}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tools.notebook_cells", path.resolve()],
            cwd=folder,
            env=env | {"IPYTHONDIR": folder},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )
    if done.returncode:
        raise NotebookError(f"{path.name} does not run:\n{done.stderr}{done.stdout}")
    return [[Output(*one) for one in cell] for cell in json.loads(done.stdout)]


def run_cells(sources: list[str]) -> list[list[Output]]:
    """Run cells in an IPython of this process, which must have none yet. Raises what a cell raises."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets import Type

    class Hook(DisplayHook):
        """Publishes the value of a cell's last line, as display() does."""

        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
            self.shell.display_pub.publish(format_dict)

    class Shell(InteractiveShell):
        displayhook_class = Type(Hook)
        display_pub_class = Type(CapturingDisplayPublisher)

    shell = Shell.instance()
    outputs = []
    for source in sources:
        with capture_output(display=False) as captured:
            result = shell.run_cell(source, store_history=False)
        result.raise_error()
        printed = captured.stdout + captured.stderr
        outputs.append([Output("text", printed)] * bool(printed) + _shown(shell.display_pub.outputs))
        shell.display_pub.outputs.clear()
    return outputs


def _shown(published: list[dict[str, Any]]) -> list[Output]:
    """What is to be seen at the end of a cell: of an output that was updated, the last state."""
    places: dict[object, Output] = {}
    for number, one in enumerate(published):
        data, place = one["data"], (one.get("transient") or {}).get("display_id", number)
        rich = data.get("text/html")
        places[place] = Output("html", rich) if rich else Output("text", data.get("text/plain", ""))
    return list(places.values())


if __name__ == "__main__":
    cells = read_cells(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(run_cells([source for kind, source in cells if kind == "code"])))
