"""Pictures of the maps of an area, several UTM zones together."""
