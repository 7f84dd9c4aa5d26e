from __future__ import annotations

import logging
import runpy
import warnings
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from scmog.cli import main
from scmog.cli._session import session


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    [
        pytest.param(["--version"], 0, f"scmog {version('scmog')}\n", id="version"),
        pytest.param(["--help"], 0, "scmog demo", id="help"),
        pytest.param(["demo", "--help"], 0, "examples:", id="help-demo"),
        pytest.param(["prepare", "--help"], 0, "obs:COLUMN  whole donors", id="help-prepare"),
        pytest.param(["train", "--help"], 0, "raw counts", id="help-train"),
        pytest.param(["generate", "--help"], 0, "units:", id="help-generate"),
        pytest.param(["evaluate", "--help"], 0, "0.5 is chance", id="help-evaluate"),
    ],
)
def test_help(argv: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == code
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param([], "COMMAND", id="no-command"),
        pytest.param(["fly"], "invalid choice: 'fly'", id="unknown-command"),
        pytest.param(["train", "a.h5mu"], "--output", id="no-output"),
        pytest.param(["generate", "a.h5mu", "--output", "b.h5mu"], "--model", id="no-model"),
        pytest.param(
            ["train", "a.h5mu", "--output", "m", "--directions", "rna-atac"],
            "expected SOURCE:TARGET, e.g. rna:atac, got 'rna-atac'",
            id="direction",
        ),
        pytest.param(["train", "a.h5mu", "--output", "m", "--modality", "dna=x"], "got 'dna=x'", id="unknown-modality"),
        pytest.param(["train", "a.h5mu", "--output", "m", "--layer", "rna"], "got 'rna'", id="layer-without-name"),
        pytest.param(
            ["train", "a.h5mu", "--output", "m", "--layer", "rna=a", "rna=b"], "'rna' is named twice", id="layer-twice"
        ),
        pytest.param(["train", "a.h5mu", "--output", "m", "--preset", "best"], "'best'", id="preset"),
        pytest.param(["train", "a.h5mu", "--output", "m", "--seed", "x"], "'x'", id="seed"),
        pytest.param(
            ["generate", "a.h5mu", "--model", "m", "--output", "b.h5mu", "--threshold", "high"],
            "expected density, paper, none or a number from 0 to 1, got 'high'",
            id="threshold",
        ),
    ],
)
def test_wrong_usage(argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert expected in capsys.readouterr().err


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.h5mu"
    assert main(["train", str(missing), "--output", str(tmp_path / "model")]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"scmog: error: {missing} is not an existing file.\n"
    assert captured.out == ""


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    argv = ["train", str(tmp_path / "missing.h5mu"), "--output", str(tmp_path / "model"), "--debug"]
    with pytest.raises(FileNotFoundError, match="not an existing file"):
        main(argv)


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        pytest.param(KeyError("no column 'x'"), 2, "scmog: error: no column 'x'\n", id="key-error-without-quotes"),
        pytest.param(ValueError("two\n   lines"), 2, "scmog: error: two lines\n", id="two-lines"),
        pytest.param(ValueError(), 2, "scmog: error: ValueError\n", id="no-message"),
        pytest.param(KeyboardInterrupt(), 130, "scmog: interrupted\n", id="interrupted"),
    ],
)
def test_how_errors_are_shown(
    error: BaseException,
    code: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("scmog.cli._demo.simulate", fail)
    assert main(["demo", "--output", str(tmp_path)]) == code
    assert capsys.readouterr().err == expected


def test_a_bug_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AttributeError("bug")

    monkeypatch.setattr("scmog.cli._demo.simulate", fail)
    with pytest.raises(AttributeError, match="bug"):
        main(["demo", "--output", str(tmp_path)])


def test_module_and_command_are_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["scmog", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("scmog", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"scmog {version('scmog')}\n"


def test_the_command_is_installed() -> None:
    (entry,) = entry_points(group="console_scripts", name="scmog")
    assert entry.load() is main


def test_session_quietens_others_and_speaks_for_scmog(capsys: pytest.CaptureFixture[str]) -> None:
    with session(debug=False):
        logging.getLogger("scmog.data").info("a note")
        logging.getLogger("lightning.pytorch.utilities.rank_zero").warning("a tip")
        logging.getLogger("scvi").warning("a detail")
        warnings.warn("few\ncells", UserWarning, stacklevel=1)
        warnings.warn("soon gone", FutureWarning, stacklevel=1)
        warnings.warn("Observation names are not unique. Call `.obs_names_make_unique`.", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "scmog: a note\nscmog: warning: few cells\n"


def _process_state() -> tuple[object, ...]:
    loggers = [logging.getLogger(name) for name in ("scmog", "scvi", "lightning.pytorch", "lightning.fabric")]
    return [(logger.level, list(logger.handlers)) for logger in loggers], list(warnings.filters)


def test_session_puts_everything_back() -> None:
    before = _process_state()
    with pytest.raises(ValueError, match="inside"), session(debug=False):
        assert _process_state() != before
        raise ValueError("inside")
    assert _process_state() == before


def test_debug_session_changes_nothing() -> None:
    before = _process_state()
    with session(debug=True):
        assert _process_state() == before
