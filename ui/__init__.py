"""The web desk: pages, partials and live updates."""
