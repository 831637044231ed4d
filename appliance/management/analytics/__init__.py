"""What figures say over time: series of bounded size, summaries, and what is out of the ordinary, each with its reason. Pure."""
