"""Pure and hot: which session a packet takes and what a record holds."""
