"""Configuration of the documentation; ``make docs`` builds it."""

import inspect
import os
import re
from importlib import import_module

from docutils import nodes
from latex2mathml.converter import convert

import sklearn_lwal

# Examples run without the network, and without progress bars on their pages.
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

# -- Project ---------------------------------------------------------------------------

project = "sklearn_lwal"
author = "The sklearn_lwal developers"
copyright = author
version = release = sklearn_lwal.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "literal"

# -- Pages, which are Markdown that a code host shows as well --------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Characters of a cell in a table of figures, at most.
LONGEST_FIGURE = 30
# Consoles and prompts: the copy button takes the commands alone.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"


def adapt(app, docname, source):
    """What differs between a page here and on a code host.

    There it links to an example's code, here to its page. And the empty line that ends
    a doctest is not shown.
    """
    pattern = r"\]\((?:\.\./)*examples/(\w+)\.py\)"
    up = "../" * docname.count("/")
    text = re.sub(pattern, rf"]({up}gallery/\1.rst)", source[0])
    source[0] = text.replace("\n\n```\n", "\n```\n")


def write_formula(writer, node):
    """Formulas as MathML, which browsers show without a script from elsewhere."""
    display = "inline" if node.tagname == "math" else "block"
    writer.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def mark_figures(app, doctree):
    """At phone width a table of figures scrolls, one of sentences is wrapped."""
    for table in doctree.findall(nodes.table):
        longest = max(len(entry.astext()) for entry in table.findall(nodes.entry))
        if longest <= LONGEST_FIGURE:
            table["classes"].append("figures")


# -- API -------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# All checks but those that ask for what a good docstring may well lack.
numpydoc_validation_checks = {
    "all",
    "ES01",  # an extended summary: one line may say it all
    "EX01",  # examples: classes and functions have them, methods need none
    "SA01",  # see also: where there is something to see
    "SS05",  # an infinitive: a summary may be a noun, "Logarithms of ..."
    "PR01",  # parameters of predict and the like: the summary gives the shapes
    "PR03",  # parameters are keywords: listed by subject, not as the dataclass has them
    "PR04",  # the type of parameters "as in" another class stands there
    "RT01",  # what is returned: the summary of predict says it
    "RT02",  # a returned value may have a name, as an attribute has
    "RT03",  # and self needs no description
}
# scikit-learn's own methods, whose docstrings are not ours.
USEFUL = {"fit_transform", "score", "get_feature_names_out"}
PLUMBING = re.compile(r"extra_repr|[gs]et_(params|output|metadata_routing|\w+_request)")
numpydoc_validation_exclude = {rf"\.({'|'.join(sorted(USEFUL))})$"}


def public_methods(fullname):
    """Methods of a class that are the library's own or scikit-learn's useful ones."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(import_module(module), name)
    shown = []
    for method, _ in inspect.getmembers(cls, inspect.isroutine):
        if method.startswith("_"):
            continue
        owner = next(c for c in cls.__mro__ if method in vars(c))
        ours = owner.__module__.startswith("sklearn_lwal")
        if method in USEFUL or (ours and not PLUMBING.fullmatch(method)):
            shown.append(method)
    return shown


autosummary_context = {"public_methods": public_methods}
# References to scikit-learn's own pages, in docstrings that are inherited from there.
ELSEWHERE = re.compile(r":(?:ref|term):`([^<`]+?)(?: <[^`]*>)?`")


def without_references(app, what, name, obj, options, lines):
    """Leave the words of references whose pages are not here."""
    lines[:] = [ELSEWHERE.sub(r"\1", line) for line in lines]


# Sphinx says that it can not cache this function; it need not.
suppress_warnings = ["config.cache"]

# -- Gallery ---------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "NumberOfCodeLinesSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "abort_on_example_error": False,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_lwal",),
    # Pictures and what is printed; no "<Display object at ...>".
    "capture_repr": (),
}

# -- HTML ------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_lwal"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "tango",
    "show_toc_level": 2,
}
# Pages without others beside them.
alone = ("quickstart", "api", "adding_a_method", "changelog", "contributing")
html_sidebars = {page: [] for page in alone}


def setup(app):
    """Register what this file does itself."""
    # After numpydoc, which brings in the docstrings of properties.
    app.connect("autodoc-process-docstring", without_references, priority=900)
    app.connect("source-read", adapt)
    app.connect("doctree-read", mark_figures)
    formulas = (write_formula, None)
    app.add_html_math_renderer("mathml", formulas, formulas)
