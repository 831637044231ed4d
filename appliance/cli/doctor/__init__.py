"""`appliance doctor`: facts are observed once (`observe`), then judged by pure checks, each with a code and what to do."""
