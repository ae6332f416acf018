"""Lets papermill give parameters to the notebooks: it has no translator for Rust.

`cargo xtask setup` puts this file into the Python environment beside an entry point, which papermill loads when it starts:

    papermill 08_rotation.ipynb out.ipynb -p preset smoke -p run mine -p stage_s.n_steps 500

A parameter is one of the options of `cargo xtask run` (preset, run, recipe, seed, stories) or any name that `--set` takes.
"""

import json

from papermill.engines import NBClientEngine
from papermill.translators import Translator, papermill_translators
from rust_parameters import cell

FIELDS = ["preset", "run", "recipe", "seed", "stories"]


def settings(parameters):
    """Parameters in the form of STAGEDIFF_SETTINGS."""
    given = {name: parameters[name] for name in FIELDS if parameters.get(name) is not None}
    singles = {name: value if isinstance(value, str) else json.dumps(value)
               for name, value in parameters.items() if name not in FIELDS}
    return {**given, **({"set": singles} if singles else {})}


class RustTranslator(Translator):
    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        return cell(settings(parameters), comment)

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}"

    @classmethod
    def inspect(cls, parameters_cell):
        return []


class Engine(NBClientEngine):
    """Papermill's own engine, by another name: papermill loads engines when it starts, and with this one the translator."""


papermill_translators.register("rust", RustTranslator)
