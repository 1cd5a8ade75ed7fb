"""From observations and items to plans of chips: place, window and items of each date."""
