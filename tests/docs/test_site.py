"""Pages say what is there: generated parts are whole, commands and options exist, links lead somewhere."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import sys

import pytest

import forecastkit
from forecastkit import registry
from forecastkit.config import DataConfig, EvaluationConfig, RunConfig, load_config
from tests.docs.pages import DOCS, FENCE, PAGES, ROOT, blocks, commands, follow

sys.path.insert(0, str(DOCS / "_ext"))

import generated
import option_tables


def test_the_picture_of_the_layers_is_that_of_the_test():
    drawn = runpy.run_path(str(DOCS / "_ext" / "layers.py"))["draw"]()
    assert (DOCS / "layers.svg").read_text(encoding="utf-8") == drawn, "run python docs/_ext/layers.py"


@pytest.mark.parametrize("kind", [RunConfig, DataConfig, EvaluationConfig], ids=lambda k: k.__name__)
def test_every_setting_is_listed_with_its_default(kind):
    page = option_tables.run_settings()
    prefix = {RunConfig: "", DataConfig: "data.", EvaluationConfig: "evaluation."}[kind]
    for name, field in kind.model_fields.items():
        row = re.search(rf"^\| `{re.escape(prefix + name)}` \|.*$", page, re.MULTILINE)
        if name in ("data", "evaluation"):
            continue
        assert row, name
        if isinstance(field.default, str) and field.default:
            assert f"`{field.default}`" in row[0]


def test_every_option_of_every_forecaster_is_listed():
    page = option_tables.model_options()
    for name in registry.list_models():
        assert re.search(rf"^- `{name}`: ", page, re.MULTILINE), name
        for option in registry.describe(name)["options"]:
            assert f"`{option}`" in page, (name, option)


def test_what_the_docstring_says_of_a_field_is_found():
    class Mother:
        """One.

        Args:
            a, b: both of
                them.

        Raises:
            c: no field.
        """

    class Child(Mother):
        """Two.

        Args:
            b: ``its own``.
        """

    assert option_tables.said_of(Child) == {"a": "both of them.", "b": "`its own`."}


def test_a_page_that_the_index_does_not_name_is_on_the_site(tmp_path):
    (tmp_path / "index.md").write_text("```{toctree}\nguide\nOther words <text>\n```\n")
    for name in ("guide", "text", "late"):
        (tmp_path / f"{name}.md").write_text("# A page\n")
    assert generated.other_pages(tmp_path).splitlines()[-2:] == ["late", "```"]


def test_links_out_of_the_site_are_paths():
    text = "See [sentiment](../notebooks/sentiment.ipynb), [the rows](../benchmarks/results) and [guide](guide.md)."
    assert generated.filled(text, DOCS) == (
        "See `notebooks/sentiment.ipynb`, the rows (`benchmarks/results`) and [guide](guide.md)."
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        if target.startswith("learning/") and not (page.parent / target).exists():
            pytest.skip(f"python benchmarks/learning.py draws {target}")
        assert (page.parent / target).exists(), target


COMMANDS = [
    pytest.param(line, id=f"{page.stem}-{k}")
    for page in PAGES
    for k, line in enumerate(
        line
        for block in blocks(page)
        if block.head in ("", "sh", "text")
        for line in commands(block.body)
        if re.match(r"(\.venv/bin/)?forecastkit (?!--version)", line)
    )
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_and_its_options_exist(line):
    import typer

    from forecastkit.cli.app import app

    words = shlex.split(re.sub(r"[\[\]]", "", line), comments=True)[1:]
    command, context = typer.main.get_command(app), None
    path = []
    while True:
        inner = command.make_context("forecastkit", list(words), parent=context, resilient_parsing=False)
        rest = [*getattr(inner, "_protected_args", []), *inner.args]
        if not getattr(command, "commands", None) or not rest:
            break
        name, command, words = command.resolve_command(inner, rest)
        path.append(name)
        context = inner
    if path in (["fit"], ["backtest"]):
        config = load_config(overrides=inner.params.get("overrides") or [])
        for name, options in config.models.items():
            registry.create_model(options.get("model", name), **{k: v for k, v in options.items() if k != "model"})


PYTHON = [
    pytest.param(b.body, id=f"{p.stem}-{k}") for p in PAGES for k, b in enumerate(blocks(p)) if b.head == "python"
]


@pytest.mark.parametrize("code", PYTHON)
def test_python_on_a_page_parses_and_its_names_exist(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "fk":
            assert node.attr in dir(forecastkit), node.attr
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("forecastkit"):
            module = __import__(node.module, fromlist=["_"])
            for alias in node.names:
                assert hasattr(module, alias.name), alias.name


def test_five_minutes_run_as_they_stand(tmp_path):
    said = follow(DOCS / "start.md", tmp_path)
    assert "Use " in said
    assert (tmp_path / "next.csv").exists()
