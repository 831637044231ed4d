"""`appliance top`: the running node, as it is now and how fast things change. What machines get is what people see."""
