"""`appliance generate-client`: what is generated, with the files that are the same for every description, written to a folder."""
