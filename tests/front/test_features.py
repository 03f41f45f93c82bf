"""What a cluster may set, and what is of one machine."""

import tomllib

import pytest

from pratique.config import loads
from pratique.config.blocks import Name
from pratique.config.levels import Feature, compose, present, split
from pratique.config.schema import Shape, options_of
from pratique.front.features import FEATURES, MACHINE_ONLY, blank
from pratique.front.options import GatewayOptions


def leaves(cls: type, path: Name = ()) -> list[Name]:
    found: list[Name] = []
    for option in options_of(cls):
        name = (*path, option.name)
        found += leaves(option.type, name) if option.shape is Shape.TABLE else [name]
    return found


def test_every_option_of_a_gateway_has_one_place() -> None:
    for name in leaves(GatewayOptions):
        homes = [feature.name for feature in FEATURES if feature.has(name)]
        homes += ["machine" for own in MACHINE_ONLY if name[: len(own)] == own]
        assert len(homes) == 1, f"{'.'.join(name)} is in {homes}: put it into FEATURES or MACHINE_ONLY"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_that_is_made_new_sets_everything_to_its_default(feature: Feature) -> None:
    if not any(feature.has(name) for name in leaves(GatewayOptions)):
        pytest.skip("this version has no option of it")
    piece = blank(feature)
    assert present(piece, FEATURES) == {feature.name}
    assert split(piece, FEATURES).pieces == {feature.name: piece}
    options, problems = loads(piece, GatewayOptions)
    assert (options, problems) == (GatewayOptions(), [])


def test_all_features_made_new_stand_in_one_file() -> None:
    text = compose("[gateway]\nedges = 2\n", {feature.name: blank(feature) for feature in FEATURES}, FEATURES).text
    tomllib.loads(text)
    assert loads(text, GatewayOptions)[0].gateway.edges == 2
