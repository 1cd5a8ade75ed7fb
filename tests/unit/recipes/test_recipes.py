"""Recipes that come with the program: figures, places, and the codes of the Cropland Data Layer."""

import csv

import pytest

from instageo.data.public_datasets import LAYOUTS
from instageo.recipes.definition.recipe import FOLDER, RecipeError
from instageo.recipes.definition.shipped import NAMES, all_recipes, open_recipe
from instageo.recipes.describe import describe_recipe, published_text

PUBLISHED = {
    "sen1floods11": "88.53 / 97.24 / 93.71 / 99.16",
    "sen1floods11-s1": "–",
    "sen1floods11-hls": "85.40 / 96.39 / 91.78 / 97.15",
    "sen1floods11-s2": "87.80 / 97.07 / 93.26 / 97.61",
    "hls-crops": "48.07 / 65.77 / 64.34 / 95.79",
    "hls-crops-replica": "47.87 / 66.10 / 64.19 / 95.82",
    "us-cdl-2022": "60.65 / 83.02 / 73.46 / 97.99",
    "us-cdl-2024": "54.86 / 83.30 / 67.19 / 97.96",
    "locust": "71.51 / 83.39 / 83.39 / 86.74",
    "locust-replica": "73.30 / 84.60 / 84.60 / 88.66",
    "aod": "–",
    "biomass": "–",
    "burn-scars": "–",
}
"""mIoU / Acc / mF1 / ROC-AUC, percent."""

BUCKET = "gs://instageo/data"
HAND = "gs://sen1floods11/v1.1/data/flood_events/HandLabeled"
HUB = "hf://datasets/ibm-nasa-geospatial"

PLACES = {
    "sen1floods11": [f"{BUCKET}/sen1floods11", f"{HAND}/S2Hand", f"{HAND}/LabelHand"],
    "sen1floods11-s1": [f"{BUCKET}/sen1floods11", f"{HAND}/S1Hand", f"{HAND}/LabelHand"],
    "sen1floods11-hls": [f"{BUCKET}/sen1floods-hls-replica"],
    "sen1floods11-s2": [f"{BUCKET}/sen1floods-s2-replica"],
    "hls-crops": [f"{HUB}/multi-temporal-crop-classification"],
    "hls-crops-replica": [f"{BUCKET}/multitemporal-crop-classification-replica"],
    "us-cdl-2022": [f"{BUCKET}/multitemporal-crop-segmentation-US-CDL-2022"],
    "us-cdl-2024": [f"{BUCKET}/multitemporal-crop-segmentation-US-CDL-2024"],
    "locust": [f"{BUCKET}/locust_breeding"],
    "locust-replica": [f"{BUCKET}/locust-replica"],
    "aod": [],
    "biomass": [],
    "burn-scars": [f"{HUB}/hls_burn_scars"],
}

CLASSES = (
    "Natural Vegetation", "Forest", "Corn", "Soybeans", "Wetlands", "Developed/Barren", "Open Water", "Winter Wheat",
    "Alfalfa", "Fallow/Idle Cropland", "Cotton", "Sorghum", "Other",
)  # fmt: skip


def test_all_files_are_listed_under_their_names():
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert [recipe.name for recipe in all_recipes()] == list(NAMES)


def test_published_figures():
    assert {recipe.name: published_text(recipe) for recipe in all_recipes()} == PUBLISHED


def test_public_places():
    places = {recipe.name: [place.url for place in recipe.origin(None)[1].places] for recipe in all_recipes()}
    assert places == PLACES


@pytest.mark.parametrize("name", NAMES)
def test_descriptions_show_places_notes_and_commands(name, tmp_path):
    recipe = open_recipe(name)
    lines = describe_recipe(recipe, tmp_path)
    text = "\n".join(lines)
    for origin in recipe.origins.values():
        assert all(place.url in text for place in origin.places)
        assert all(note in text for note in origin.notes)
    assert f"instageo run {'' if recipe.preset == 'config' else f'--config-name={recipe.preset} '}root_dir=" in text
    assert "instageo run mode=eval" in text
    assert all(step.options["layout"] in (*LAYOUTS, "published")
               for origin in recipe.origins.values() for step in origin.steps if step.kind == "table")  # fmt: skip


def test_codes_of_the_cropland_data_layer():
    with (FOLDER / "cdl_classes.csv").open(newline="", encoding="utf-8") as file:
        rows = {int(row["code"]): row for row in csv.DictReader(file)}
    assert all(CLASSES[int(row["class"])] == row["class_name"] for row in rows.values())
    by_class = {name: {code for code, row in rows.items() if row["class_name"] == name} for name in CLASSES}
    assert by_class["Corn"] == {1}
    assert by_class["Cotton"] == {2}
    assert by_class["Sorghum"] == {4}
    assert by_class["Soybeans"] == {5}
    assert by_class["Winter Wheat"] == {24}
    assert by_class["Alfalfa"] == {36}
    assert by_class["Fallow/Idle Cropland"] == {61}
    assert by_class["Open Water"] == {83, 111}
    assert by_class["Forest"] == {63, 141, 142, 143}
    assert by_class["Natural Vegetation"] == {64, 152, 176}
    assert by_class["Wetlands"] == {87, 190, 195}
    assert by_class["Developed/Barren"] == {65, 82, 121, 122, 123, 124, 131}
    assert {26, 225, 12, 13, 37, 92, 112} < by_class["Other"]
    assert not {0, 81, 88} & rows.keys()


def test_unknown_recipes_get_the_nearest_name():
    with pytest.raises(RecipeError, match=r"recipe 'burn_scars' is unknown; .*; did you mean burn-scars\?"):
        open_recipe("burn_scars")
    with pytest.raises(RecipeError, match=r"no/such\.yaml: no such file"):
        open_recipe("no/such.yaml")
    with pytest.raises(RecipeError, match="aod: has no chips 'published'; choose one of rebuilt"):
        open_recipe("aod").origin("published")
