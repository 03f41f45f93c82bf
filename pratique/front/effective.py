"""The configuration that a machine runs by: its own file, and below that what is in force from its group and cluster.

Nothing here changes anything; which texts of the levels are in force is for front/member.py to settle.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pratique.config.levels import Composed, Origin, Uncomposable, compose
from pratique.config.reading import Problem
from pratique.fleet import cluster_file
from pratique.fleet.replica import StateUnreadable
from pratique.front.features import FEATURES


def effective(
    directory: Path, text: str, file: str, inherited: Mapping[str, str] | None = None
) -> tuple[Composed, Problem | None]:
    """The whole text; of the file alone when the file is no TOML, for others to say so. `inherited`: feature -> text,
    in place of what is in force."""
    alone = Composed(text, tuple(Origin("", number) for number in range(1, text.count("\n") + 2)))
    try:
        if inherited is None:
            membership = cluster_file.read(directory)
            inherited = membership.in_force if membership is not None else {}
        tomllib.loads(text)
        return (compose(text, inherited, FEATURES) if inherited else alone), None
    except tomllib.TOMLDecodeError:
        return alone, None
    except (StateUnreadable, OSError) as error:
        return alone, Problem(cluster_file.FILE, 0, "", "cannot be used", str(error))
    except Uncomposable as error:
        return alone, Problem(file, 0, "", f"does not go with the cluster's settings: {error}", "then try again")


def placed(problem: Problem, file: str, whole: Composed) -> Problem:
    """With the place where people wrote what is wrong."""
    if problem.file != file or not problem.line:
        return problem
    origin = whole.origin(problem.line)
    if not origin.feature:
        return replace(problem, line=origin.line or problem.line)
    return replace(problem, file=f"cluster settings, {origin.feature}", line=origin.line)
