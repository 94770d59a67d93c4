"""The controllers: they read and change through `desk`, and show through `ui.presenting` and the templates."""
