"""Generated from the engine's published gRPC protocol (`make proto`); never edited by hand."""
