"""What agents change in drafts, turned into examples, corrections, calibration and a backtest."""
