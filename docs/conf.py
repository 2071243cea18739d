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

# -- Pages, Markdown that a code host shows as well ------------------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# A table of figures has no cell with more characters than this.
LONGEST_FIGURE = 30
# The copy button takes the commands without their prompts.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"


def adapt(app, docname, source):
    """Adapt a page for this site.

    On a code host it links to an example's code, here to the example's page. The empty
    line that ends a doctest is dropped.
    """
    pattern = r"\]\((?:\.\./)*examples/(\w+)\.py\)"
    up = "../" * docname.count("/")
    text = re.sub(pattern, rf"]({up}gallery/\1.rst)", source[0])
    source[0] = text.replace("\n\n```\n", "\n```\n")


def write_formula(writer, node):
    """Write formulas as MathML, which browsers show without an external script."""
    display = "inline" if node.tagname == "math" else "block"
    writer.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def mark_figures(app, doctree):
    """Mark tables of figures: on a phone they scroll, while tables of text wrap."""
    for table in doctree.findall(nodes.table):
        longest = max(len(entry.astext()) for entry in table.findall(nodes.entry))
        if longest <= LONGEST_FIGURE:
            table["classes"].append("figures")


# -- API -------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# All checks except for parts that a good docstring may lack.
numpydoc_validation_checks = {
    "all",
    "ES01",  # an extended summary: one line may say it all
    "EX01",  # examples: classes and functions have them, methods need none
    "SA01",  # see also: not every object has a related one
    "SS05",  # infinitive: a summary may be a noun, "Logarithms of ..."
    "PR01",  # parameters of predict and the like: the summary gives the shapes
    "PR03",  # order of parameters: they are keywords, listed by subject
    "PR04",  # parameter types: another class documents parameters "as in" it
    "RT01",  # returns: the summary of predict describes the result
    "RT02",  # returned names: a returned value may have one, as an attribute does
    "RT03",  # description of returns: self needs none
}
# These methods come from scikit-learn, and so do their docstrings.
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
# Inherited docstrings refer to pages of scikit-learn's own site.
ELSEWHERE = re.compile(r":(?:ref|term):`([^<`]+?)(?: <[^`]*>)?`")


def without_references(app, what, name, obj, options, lines):
    """Replace references to pages that this site lacks by their words."""
    lines[:] = [ELSEWHERE.sub(r"\1", line) for line in lines]


# Sphinx warns that it can not cache public_methods, which is harmless.
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
    # Show pictures and printed text, but no "<Display object at ...>".
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
# Pages without a sidebar.
alone = ("quickstart", "api", "adding_a_method", "changelog", "contributing")
html_sidebars = {page: [] for page in alone}


def setup(app):
    """Register the functions of this file."""
    # This runs after numpydoc, which brings in the docstrings of properties.
    app.connect("autodoc-process-docstring", without_references, priority=900)
    app.connect("source-read", adapt)
    app.connect("doctree-read", mark_figures)
    formulas = (write_formula, None)
    app.add_html_math_renderer("mathml", formulas, formulas)
