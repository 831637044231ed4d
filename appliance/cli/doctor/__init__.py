"""`appliance doctor`: facts are observed once (`observe`), then pure checks judge them. Each finding has a code, and what to
do."""
